"""What a follower with given rules would have got of a master's last trades. Pure.

The same fan-out decides as for a real follow. What nobody knows of those moments any more is left
out of the rules and named in the answer: a preview guesses nothing and hides nothing.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from decimal import Decimal
from enum import StrEnum

from libs.brokers.manifest import BrokerManifest
from libs.brokers.protocol import InstrumentBook
from libs.trading.accounts import Account
from libs.trading.calendar import trading_day
from libs.trading.entries import Standing
from libs.trading.follows import Follow, Sizing
from libs.trading.instruments import parse_instrument
from libs.trading.limits import Limits, Rule
from libs.trading.orders import OrderType, Side
from libs.trading.quotes import Quote
from libs.trading.reasons import SkipReason
from libs.trading.signals import Signal
from libs.trading.sizing import SIZED_BY_MONEY
from services.executor.fanout import Fanout
from services.executor.rows import Shape
from services.executor.shapes import Quotes

TRADES_MAX = 20


class Outcome(StrEnum):
    """NOT_JUDGED is where a figure of that moment decides, and nobody knows it any more."""

    COPIED = "COPIED"
    LEFT_OUT = "LEFT_OUT"
    NOT_JUDGED = "NOT_JUDGED"


class NotJudged(StrEnum):
    """What a preview cannot tell; each has its sentence."""

    STOPS = "STOPS"
    MONEY = "MONEY"
    MARKET_PRICES = "MARKET_PRICES"
    PRICE_DISTANCE = "PRICE_DISTANCE"
    LOSS_PER_DAY = "LOSS_PER_DAY"
    OPEN_POSITIONS = "OPEN_POSITIONS"
    OTHER_ORDERS = "OTHER_ORDERS"
    SHORTS = "SHORTS"


NOT_JUDGED_SENTENCES: dict[NotJudged, str] = {
    NotJudged.STOPS: "Whether the market was open, your broker connected and trading not stopped"
    " was not looked at.",
    NotJudged.MONEY: "Sizes come from the money of now, or what you named, not from that of then.",
    NotJudged.MARKET_PRICES: "What a market order would have cost is known only where the master"
    " named a price.",
    NotJudged.PRICE_DISTANCE: "How far prices had moved from the master's is not known any more,"
    " so that limit was not checked.",
    NotJudged.LOSS_PER_DAY: "What was lost on those days is not known, so that limit was not"
    " checked.",
    NotJudged.OPEN_POSITIONS: "What was open at those moments is not known, so that limit was not"
    " checked.",
    NotJudged.OTHER_ORDERS: "The limit of orders per day counts these trades alone, not what else"
    " the account ordered or the master traded on those days.",
    NotJudged.SHORTS: "Whether a sale would have opened a short was not checked: what was held is"
    " not known.",
}
EXPIRED_CONTRACT = "This contract has expired, so your broker does not list it any more."

# A real follower's order would have had these figures.
_MISSING = frozenset(
    {
        SkipReason.NO_QUOTE,
        SkipReason.NO_PRICE,
        SkipReason.FUNDS_UNKNOWN,
        SkipReason.EQUITY_UNKNOWN,
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """Whose preview it is. `limits` are those of the follow, `account_limits` the account's own.

    `funds` and `equity` are what sizes are reckoned with, None where nobody knows.
    """

    account: Account
    sizing: Sizing
    limits: Limits
    account_limits: Limits
    funds: Decimal | None = None
    equity: Decimal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """What becomes of one trade. `shapes` are the orders sent, `value` is None where not known."""

    signal: Signal
    outcome: Outcome
    shapes: Sequence[Shape] = ()
    value: Decimal | None = None
    reason: SkipReason | None = None
    message: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """The trades newest first; `value` sums up what is known, `valueless` counts what is not."""

    trades: Sequence[Judged]
    not_judged: Sequence[NotJudged]

    @property
    def copied(self) -> int:
        return sum(trade.outcome is Outcome.COPIED for trade in self.trades)

    @property
    def value(self) -> Decimal:
        return sum((trade.value or Decimal(0) for trade in self.trades), Decimal(0))

    @property
    def valueless(self) -> int:
        return sum(trade.outcome is Outcome.COPIED and trade.value is None for trade in self.trades)

    def reasons(self, outcome: Outcome) -> dict[SkipReason, int]:
        """Count the trades of this outcome by reason."""
        return dict(Counter(t.reason for t in self.trades if t.outcome is outcome and t.reason))


def preview(
    asked: Asked,
    signals: Sequence[Signal],
    manifest: BrokerManifest,
    instruments: InstrumentBook,
    *,
    today: date,
) -> Preview:
    """Judge entries of one strategy, each at its own time, and count orders from day to day."""
    assumed = _Assumed(funds=asked.funds, equity=asked.equity)
    fanout = Fanout(
        manifest=manifest,
        instruments=instruments,
        partitions=1,
        standings=assumed,
        mint_order_id=str,
        mint_tag=str,
        account_limits={asked.account.account_id: _judgeable(asked.account_limits)},
    )
    trades = []
    for signal in sorted(signals, key=lambda signal: signal.seq):
        assumed.day = trading_day(signal.stamps.accepted_at)
        trade = _judged(fanout, asked, signal, today)
        assumed.orders[assumed.day] += len(trade.shapes)
        trades.append(trade)
    return Preview(trades=trades[::-1], not_judged=_not_judged(asked, signals))


@dataclass(slots=True, kw_only=True)
class _Assumed:
    """How the account is taken to stand: the money of now, and the orders of this preview."""

    funds: Decimal | None
    equity: Decimal | None
    day: date = date.min
    orders: Counter[date] = field(default_factory=Counter)

    def elsewhere(self, account_id: str, instrument: str) -> int | None:
        return None

    def of_account(self, account_id: str) -> Standing:
        return Standing(funds=self.funds, equity=self.equity, orders_today=self.orders[self.day])

    def of_follow(self, follow: Follow) -> Standing:
        return Standing(orders_today=self.orders[self.day])


def _judged(fanout: Fanout, asked: Asked, signal: Signal, today: date) -> Judged:
    shapes = _shapes(fanout, asked, signal)
    if shapes[0].reason == SkipReason.NO_QUOTE:
        # The worst price of that moment is not known; how many would have been sent is.
        plain = replace(fanout, manifest=replace(fanout.manifest, protection=None))
        unprotected = _shapes(plain, asked, signal)
        shapes = shapes if unprotected[0].reason == SkipReason.UNSUPPORTED else unprotected
    if shapes[0].reason is None:
        value = _value(shapes, signal.master_price)
        return Judged(signal=signal, outcome=Outcome.COPIED, shapes=shapes, value=value)
    reason, message = SkipReason(shapes[0].reason), shapes[0].message
    outcome = Outcome.NOT_JUDGED if reason in _MISSING else Outcome.LEFT_OUT
    expiry = parse_instrument(signal.instrument).expiry
    if reason is SkipReason.UNKNOWN_INSTRUMENT and expiry is not None and expiry < today:
        outcome, message = Outcome.NOT_JUDGED, EXPIRED_CONTRACT
    return Judged(signal=signal, outcome=outcome, reason=reason, message=message)


def _shapes(fanout: Fanout, asked: Asked, signal: Signal) -> list[Shape]:
    account = asked.account
    follow = Follow(
        follow_id="",
        strategy_id=signal.strategy_id,
        master_id=signal.master_id,
        user_id=account.user_id,
        account_id=account.account_id,
        broker=account.broker,
        sizing=asked.sizing,
        limits=_judgeable(asked.limits),
        from_seq=0,
        version=1,
    )
    at, price = signal.stamps.accepted_at, signal.master_price
    quotes: Quotes = {}
    if price is not None:
        # What the master traded at is what the market was.
        quotes = {account.environment: Quote(instrument=signal.instrument, last=price, at=at)}
    accounts = {account.account_id: account}
    orders = fanout.entries(signal, [follow], accounts, at=at, quotes=quotes)
    return [order.shape for order in orders]


def _judgeable(limits: Limits) -> Limits:
    """Leave out the limits on what nobody knows of those moments any more."""
    return replace(
        limits, price_distance_bps_max=None, loss_per_day_max=None, open_positions_max=None
    )


def _value(shapes: Sequence[Shape], master_price: Decimal | None) -> Decimal | None:
    value = Decimal(0)
    for shape in shapes:
        terms = shape.terms
        price = terms.limit_price or terms.trigger_price or master_price
        if price is None:
            return None
        value += price * terms.quantity
    return value


def _not_judged(asked: Asked, signals: Sequence[Signal]) -> list[NotJudged]:
    if not signals:
        return []
    rules = {*asked.limits.rules, *asked.account_limits.rules}
    sells = any(signal.side is Side.SELL for signal in signals)
    applies = {
        NotJudged.STOPS: True,
        NotJudged.MONEY: asked.sizing.mode in SIZED_BY_MONEY,
        NotJudged.MARKET_PRICES: any(
            signal.terms is not None and signal.terms.order_type is OrderType.MARKET
            for signal in signals
        ),
        NotJudged.PRICE_DISTANCE: Rule.PRICE_DISTANCE in rules,
        NotJudged.LOSS_PER_DAY: Rule.LOSS_PER_DAY in rules,
        NotJudged.OPEN_POSITIONS: Rule.OPEN_POSITIONS in rules,
        NotJudged.OTHER_ORDERS: Rule.ORDERS_PER_DAY in rules,
        NotJudged.SHORTS: sells and not asked.limits.short_allowed,
    }
    return [what for what, does in applies.items() if does]
