"""What a decision about a follower's entry is made from: the order wanted, and how things stand."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, time
from decimal import Decimal

from libs.trading.calendar import time_in_india
from libs.trading.instruments import Instrument, Segment, names_above, parse_instrument
from libs.trading.orders import OrderExtra, OrderTerms, OrderType, Product, Side
from libs.trading.quotes import Quote
from libs.trading.signals import Signal

# An older price protects nobody.
QUOTE_AGE_S_MAX = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A master's order that may open something: the same for every follower, made once.

    `price` is what one share or contract is reckoned with, None when nobody knows it. `names` are
    the instrument's own and those it is written below. `last_price` is that of a fresh quote.
    `master_price` is what the master traded at and `master_equity` what the master's account is
    worth, where that is known. With `filled_after` it is the copy of a fill: of the part of
    `quantity` from `filled_before` on.
    """

    instrument: Instrument
    segment: Segment
    names: frozenset[str]
    side: Side
    product: Product
    order_type: OrderType
    quantity: int
    time_ist: time
    price: Decimal | None
    last_price: Decimal | None = None
    master_price: Decimal | None = None
    master_equity: Decimal | None = None
    after_market: bool = False
    filled_before: int = 0
    filled_after: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What is known of an account, or of the part of it that one follow made. None is unknown.

    `positions` are net and signed, by instrument and product; what is not in it is flat. They and
    `open_positions` count what entries at work would open, holdings too; `leaving`, signed like
    them, is what exits at work will take away. `orders_today` counts orders planned and not skipped
    on the Indian date, a slice as one. `loss_today` is above 0 when money was lost, realised or
    not.
    """

    funds: Decimal | None = None
    equity: Decimal | None = None
    positions: Mapping[tuple[str, Product], int] | None = None
    leaving: Mapping[tuple[str, Product], int] = field(default_factory=dict)
    open_positions: int | None = None
    orders_today: int | None = None
    loss_today: Decimal | None = None

    def held(self, entry: Entry) -> int | None:
        """Tell the net position in what an entry is about; None when positions are unknown."""
        if self.positions is None:
            return None
        return self.positions.get((entry.instrument.name, entry.product), 0)

    def to_sell(self, entry: Entry) -> int | None:
        """Tell how much of it is left to sell; None when positions are unknown."""
        held = self.held(entry)
        leaving = self.leaving.get((entry.instrument.name, entry.product), 0)
        return None if held is None else max(held + leaving, 0)


NOTHING_KNOWN = Standing()


def entry_of(
    signal: Signal,
    instrument: Instrument,
    *,
    at: datetime,
    quote: Quote | None = None,
) -> Entry:
    """Make the entry of a PLACE. Raise `ValueError` for a signal without terms, side or product."""
    if signal.terms is None or signal.side is None or signal.product is None:
        raise ValueError(f"signal {signal.signal_id}: {signal.action} is no entry")
    last_price = quote.last if quote and quote.age_s(at) <= QUOTE_AGE_S_MAX else None
    return Entry(
        instrument=instrument,
        segment=parse_instrument(instrument.name).segment,
        names=names_above(instrument.name),
        side=signal.side,
        product=signal.product,
        order_type=signal.terms.order_type,
        quantity=signal.terms.quantity,
        time_ist=time_in_india(at),
        price=_reckoned(signal.terms, last_price, signal.master_price),
        last_price=last_price,
        master_price=signal.master_price,
        master_equity=signal.master_equity,
        after_market=OrderExtra.AFTER_MARKET in signal.extras,
        filled_before=signal.filled_before,
        filled_after=signal.filled_after,
    )


def _reckoned(
    terms: OrderTerms, last_price: Decimal | None, master_price: Decimal | None
) -> Decimal | None:
    """Choose the price an order is valued at: its own, else the market's, else the master's."""
    for price in (terms.limit_price, terms.trigger_price, last_price, master_price):
        if price is not None and price > 0:
            return price
    return None
