"""Whether a follower's limits let an entry through, and what is sent if they do. Pure.

Only entries are asked about: nothing here may hold up an exit or a cancel. Rules are asked in the
order of `Rule`, those of the follow before those of the account; the first that is broken wins.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import time
from decimal import ROUND_UP, Context, Decimal
from enum import StrEnum

from libs.trading.entries import NOTHING_KNOWN, Entry, Standing
from libs.trading.follows import Sizing
from libs.trading.limits import NO_LIMITS, Limits, Rule
from libs.trading.orders import OrderType, Side
from libs.trading.reasons import Refusal, SkipReason
from libs.trading.sizing import part_of, sized, sliced, unit_of

_DAY_BEGINS, _DAY_ENDS = time.min, time.max
_BPS = 10_000
_EXACT = Context(prec=120)
# What a change of an order at work is asked; it opens nothing new and counts as no new order.
_OF_A_CHANGE = frozenset({Rule.ORDER_QUANTITY, Rule.ORDER_VALUE})


class Whose(StrEnum):
    """Whose limits are asked; sentences tell them apart."""

    FOLLOW = "FOLLOW"
    ACCOUNT = "ACCOUNT"


def decide(
    entry: Entry,
    sizing: Sizing,
    limits: Limits,
    *,
    account: Standing = NOTHING_KNOWN,
    follow: Standing = NOTHING_KNOWN,
    account_limits: Limits = NO_LIMITS,
) -> tuple[int, ...] | Refusal:
    """Size an entry, cut it into orders and ask every limit: the quantities to send, or why not.

    `account` is how the whole account stands: its money and positions, and what `account_limits`
    count. `follow` is the part that this follow made, which the follow's own `limits` count.
    """
    quantity = sized(entry, sizing, account)
    if isinstance(quantity, Refusal):
        return quantity
    part = part_of(entry, quantity)
    if isinstance(part, Refusal):
        return part
    slices = sliced(entry, part)
    if isinstance(slices, Refusal):
        return slices
    # The whole order is held against limits: how the market filled the master must not matter.
    order = _Order(entry, quantity, len(slices))
    return (
        _not_opted_in(order if part == quantity else replace(order, quantity=part), limits, account)
        or _broken(order, limits, follow, Whose.FOLLOW)
        or _broken(order, account_limits, account, Whose.ACCOUNT)
        or slices
    )


def change_refused(
    entry: Entry,
    present: int,
    quantity: int,
    limits: Limits,
    *,
    account: Standing = NOTHING_KNOWN,
    account_limits: Limits = NO_LIMITS,
) -> Refusal | None:
    """Say why an order at work may not be changed from its present quantity to another one.

    Its value is asked at the entry's price. An order already sent is after-market no more than
    before, and what it sells already is among the positions.
    """
    order = _Order(entry, quantity, 0)
    if quantity > present:
        more = _Order(entry, quantity - present, 0)
        short = _short(more, limits, account)
        if short:
            return short
    return _broken(order, limits, NOTHING_KNOWN, Whose.FOLLOW, only=_OF_A_CHANGE) or _broken(
        order, account_limits, NOTHING_KNOWN, Whose.ACCOUNT, only=_OF_A_CHANGE
    )


@dataclass(frozen=True, slots=True)
class _Order:
    entry: Entry
    quantity: int
    orders: int

    def counted(self) -> dict[str, str]:
        return {"quantity": str(self.quantity), "unit": unit_of(self.entry.instrument)}


_Check = Callable[[_Order, Limits, Standing], Refusal | None]


def _broken(
    order: _Order,
    limits: Limits,
    standing: Standing,
    whose: Whose,
    *,
    only: frozenset[Rule] | None = None,
) -> Refusal | None:
    for rule in limits.rules:
        if only is not None and rule not in only:
            continue
        refusal = _CHECKS[rule](order, limits, standing)
        if refusal:
            return Refusal(refusal.reason, {**refusal.figures, "whose": whose.value})
    return None


def _not_opted_in(order: _Order, limits: Limits, account: Standing) -> Refusal | None:
    """Refuse what a follow must allow by itself. Shorts are seen only where positions are known."""
    entry = order.entry
    if entry.after_market and not limits.after_market_allowed:
        return Refusal(SkipReason.AFTER_MARKET, {})
    return _short(order, limits, account)


def _short(order: _Order, limits: Limits, account: Standing) -> Refusal | None:
    if order.entry.side is not Side.SELL or limits.short_allowed:
        return None
    held = account.to_sell(order.entry)
    if held is None or held >= order.quantity:
        return None
    return Refusal(SkipReason.SHORT, {**order.counted(), "held": str(held)})


def _product(order: _Order, limits: Limits, _: Standing) -> Refusal | None:
    product = order.entry.product
    if product in limits.products_allowed:
        return None
    return Refusal(SkipReason.PRODUCT_LEFT_OUT, {"product": product.value})


def _segment(order: _Order, limits: Limits, _: Standing) -> Refusal | None:
    segment = order.entry.segment
    allowed = not limits.segments_allowed or segment in limits.segments_allowed
    if allowed and segment not in limits.segments_denied:
        return None
    return Refusal(SkipReason.SEGMENT_LEFT_OUT, {"segment": segment.value})


def _instrument(order: _Order, limits: Limits, _: Standing) -> Refusal | None:
    names = order.entry.names
    allowed = not limits.instruments_allowed or not names.isdisjoint(limits.instruments_allowed)
    if allowed and names.isdisjoint(limits.instruments_denied):
        return None
    return Refusal(SkipReason.INSTRUMENT_LEFT_OUT, {"instrument": order.entry.instrument.name})


def _trading_window(order: _Order, limits: Limits, _: Standing) -> Refusal | None:
    now = order.entry.time_ist
    opens, closes = limits.trading_from_ist or _DAY_BEGINS, limits.trading_until_ist or _DAY_ENDS
    if opens <= now < closes:
        return None
    shown = {"now": now, "opens": opens, "closes": closes}
    return Refusal(
        SkipReason.TRADING_WINDOW,
        {name: at.isoformat("minutes") for name, at in shown.items()},
    )


def _orders_per_day(order: _Order, limits: Limits, standing: Standing) -> Refusal | None:
    limit, today = limits.orders_per_day_max, standing.orders_today
    if today is None:
        return Refusal(SkipReason.ORDERS_UNKNOWN, {"limit": str(limit)})
    if limit is None or today + order.orders <= limit:
        return None
    return Refusal(
        SkipReason.ORDERS_PER_DAY,
        {"today": str(today), "orders": str(order.orders), "limit": str(limit)},
    )


def _loss_per_day(_: _Order, limits: Limits, standing: Standing) -> Refusal | None:
    limit, loss = limits.loss_per_day_max, standing.loss_today
    if loss is None:
        return Refusal(SkipReason.LOSS_UNKNOWN, {"limit": f"{limit:f}"})
    if limit is None or loss < limit:
        return None
    return Refusal(SkipReason.LOSS_PER_DAY, {"loss": f"{loss:f}", "limit": f"{limit:f}"})


def _open_positions(order: _Order, limits: Limits, standing: Standing) -> Refusal | None:
    limit, opened = limits.open_positions_max, standing.open_positions
    if standing.held(order.entry):
        return None  # It adds to a position that is counted already.
    if opened is None:
        return Refusal(SkipReason.POSITIONS_UNKNOWN, {"limit": str(limit)})
    if limit is None or opened < limit:
        return None
    return Refusal(SkipReason.OPEN_POSITIONS, {"open": str(opened), "limit": str(limit)})


def _order_quantity(order: _Order, limits: Limits, _: Standing) -> Refusal | None:
    limit = limits.order_quantity_max
    if limit is None or order.quantity <= limit:
        return None
    return Refusal(SkipReason.ORDER_QUANTITY, {**order.counted(), "limit": str(limit)})


def _order_value(order: _Order, limits: Limits, _: Standing) -> Refusal | None:
    limit, price = limits.order_value_max, order.entry.price
    if price is None:
        return Refusal(SkipReason.NO_PRICE, {"instrument": order.entry.instrument.name})
    value = _EXACT.multiply(price, Decimal(order.quantity))
    if limit is None or value <= limit:
        return None
    money = {"price": f"{price:f}", "value": f"{value:f}", "limit": f"{limit:f}"}
    return Refusal(SkipReason.ORDER_VALUE, {**order.counted(), **money})


def _price_distance(order: _Order, limits: Limits, _: Standing) -> Refusal | None:
    """Compare the last price with the master's, for what would be executed at once.

    A stop waits for its trigger at the exchange. A limit is never filled at worse than its own
    price; without a price that the master traded at there is nothing to compare it with.
    """
    entry, limit = order.entry, limits.price_distance_bps_max
    master, last = entry.master_price, entry.last_price
    waits = entry.order_type.has_trigger_price
    if limit is None or waits or (entry.order_type is OrderType.LIMIT and master is None):
        return None
    if master is None or master <= 0:
        return Refusal(SkipReason.NO_PRICE, {"instrument": entry.instrument.name})
    if last is None:
        return Refusal(SkipReason.NO_QUOTE, {"instrument": entry.instrument.name})
    moved = _EXACT.multiply(abs(_EXACT.subtract(last, master)), Decimal(_BPS))
    if moved <= _EXACT.multiply(master, Decimal(limit)):
        return None
    # Rounded up, so that what is refused is never shown as within the limit.
    shown = _EXACT.divide(moved, master).quantize(Decimal("0.1"), ROUND_UP)
    figures = {"moved": f"{shown.normalize():f}", "last": f"{last:f}", "master": f"{master:f}"}
    return Refusal(SkipReason.PRICE_MOVED, {**figures, "limit": str(limit)})


_CHECKS: dict[Rule, _Check] = {
    Rule.PRODUCT: _product,
    Rule.SEGMENT: _segment,
    Rule.INSTRUMENT: _instrument,
    Rule.TRADING_WINDOW: _trading_window,
    Rule.ORDERS_PER_DAY: _orders_per_day,
    Rule.LOSS_PER_DAY: _loss_per_day,
    Rule.OPEN_POSITIONS: _open_positions,
    Rule.ORDER_QUANTITY: _order_quantity,
    Rule.ORDER_VALUE: _order_value,
    Rule.PRICE_DISTANCE: _price_distance,
}
