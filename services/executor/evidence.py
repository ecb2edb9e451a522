"""When to look for an order we lost sight of, and what the looks prove. Pure.

Transitions 12 to 14: found by its tag, or by its attributes where a broker echoes no tags; proved
absent; or a case for a person.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal

from libs.trading.events import UpdateSource
from libs.trading.orders import OrderReport, OrderStatus, OrderTerms, Product, Side, Trade
from libs.trading.reasons import AttentionReason
from libs.trading.states import OrderState
from services.executor.rows import Change, Word

# Fractions of the evidence window: 2, 5, 10, 20, 40, 80 and 120 s of the default 120.
_LOOKS = (1 / 60, 1 / 24, 1 / 12, 1 / 6, 1 / 3, 2 / 3, 1.0)
_LOOKS_MIN = 3
_UNREADABLE_MAX = timedelta(minutes=5)
# A broker's clock may stand a little behind ours.
_BEFORE_SENDING = timedelta(seconds=2)

BY_ATTRIBUTES = "confidence=attributes"


@dataclass(frozen=True, slots=True, kw_only=True)
class Doubt:
    """One order in UNKNOWN. `deadline` is when its answer should have come at the latest.

    A `parked` one waits for a person already: it is not judged, but others may be mistaken for it.
    """

    order_id: str
    version: int
    account_id: str
    client_order_id: str
    instrument: str
    side: Side
    product: Product
    terms: OrderTerms
    sent_at: datetime
    deadline: datetime
    looks: int
    changed_at: datetime
    parked: bool = False

    @property
    def attributes(self) -> tuple[object, ...]:
        return (self.instrument, self.side, self.product, self.terms)


@dataclass(frozen=True, slots=True, kw_only=True)
class Book:
    """One complete read of an account's order book, and what was known of its orders before.

    `first_seen` is the baseline, `linked` are the broker's ids of other orders of ours.
    """

    rows: Sequence[OrderReport]
    first_seen: Mapping[str, datetime] = field(default_factory=dict)
    linked: frozenset[str] = frozenset()
    tags_echoed: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Executions:
    """The trade book beside the order book, and what moved in positions without any trade.

    `moved` is by instrument; None while the quantities carried into the day are not known.
    """

    trades: Sequence[Trade]
    moved: Mapping[str, int] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What one look brought: a broker's word to fold, a change to make, or another look.

    `prove` asks for the executions: the order book alone does not prove absence. `reset` makes the
    looks so far count for nothing.
    """

    word: Word | None = None
    change: Change | None = None
    looked: bool = False
    prove: bool = False
    reset: bool = False
    due_in_s: float = 0


def after_look(
    doubt: Doubt,
    book: Book,
    *,
    now: datetime,
    window_s: float,
    others: Iterable[Doubt] = (),
) -> Verdict:
    """Judge one complete, successful read of the account's order book.

    `others` are the account's other orders in doubt.
    """
    matches = [row for row in book.rows if row.client_order_id == doubt.client_order_id]
    if len(matches) > 1:
        return _ambiguous("one tag on", matches)
    if matches:
        return Verdict(word=_word(doubt, matches[0], now))
    alike = _alike(doubt, book, window_s)
    if alike and not book.tags_echoed:
        rivals = [other for other in others if other.attributes == doubt.attributes]
        if len(alike) > 1 or rivals:
            return _ambiguous("no tags here, and the same terms on", alike)
        return Verdict(word=_word(doubt, alike[0], now, BY_ATTRIBUTES))
    counts = now >= doubt.deadline
    window_over = now >= doubt.deadline + timedelta(seconds=window_s)
    if window_over and doubt.looks + counts >= _LOOKS_MIN:
        if alike:
            # Only the tag links, but an equal order without one is no absence either.
            return _ambiguous("our tag is on none, but the same terms are on", alike)
        return Verdict(prove=True, looked=counts)
    return Verdict(looked=counts, due_in_s=_next_look_s(doubt, now, window_s))


def after_proof(
    doubt: Doubt, book: Book, executions: Executions, *, now: datetime, window_s: float
) -> Verdict:
    """Judge an order that all books lack by what was executed."""
    mine = [t for t in executions.trades if t.client_order_id == doubt.client_order_id]
    if mine:
        return _executed(doubt, mine, now)
    in_book = {row.broker_order_id for row in book.rows} | book.linked
    stray = [
        trade.trade_id
        for trade in executions.trades
        if trade.instrument == doubt.instrument
        and trade.side is doubt.side
        and trade.broker_order_id not in in_book
    ]
    moved = (executions.moved or {}).get(doubt.instrument, 0)
    if not stray and not moved:
        message = (
            f"absent from {doubt.looks + 1} complete order books, the last {window_s:g} s after;"
            " trade book and positions agree"
        )
        return Verdict(change=Change(state=OrderState.NOT_PLACED, message=message))
    if now < doubt.deadline + timedelta(seconds=window_s * 1.5):
        # Books and positions are read one after the other: a fill in between explains itself.
        return Verdict(looked=True, due_in_s=window_s / 12)
    facts = f"trades {', '.join(stray)}" if stray else f"position moved by {moved}"
    return Verdict(
        change=_attention(
            AttentionReason.UNEXPLAINED_FILL,
            f"in no order book, but of no order known: {facts} in {doubt.instrument}",
        )
    )


def after_unreadable(
    doubt: Doubt, *, now: datetime, window_s: float, message: str, session_lost: bool = False
) -> Verdict:
    """Judge a look that failed. Without a session the looks before it no longer prove absence."""
    if now - doubt.changed_at > max(_UNREADABLE_MAX, timedelta(seconds=2 * window_s)):
        reason = AttentionReason.SESSION_DEAD if session_lost else AttentionReason.BOOK_UNREADABLE
        return Verdict(change=_attention(reason, message))
    return Verdict(reset=session_lost, due_in_s=max(window_s / 12, 0.2))


def _alike(doubt: Doubt, book: Book, window_s: float) -> list[OrderReport]:
    """List orders without a tag that may be ours: new, of nobody else, equal in every term."""
    return [
        row
        for row in book.rows
        if row.client_order_id is None
        and row.broker_order_id not in book.linked
        and book.first_seen.get(row.broker_order_id, doubt.sent_at) >= doubt.sent_at
        and (row.instrument, row.side, row.product, row.terms) == doubt.attributes
        and _in_time(doubt, row.at, window_s)
    ]


def _in_time(doubt: Doubt, at: datetime | None, window_s: float) -> bool:
    if at is None:
        return True
    latest = doubt.deadline + timedelta(seconds=window_s)
    return doubt.sent_at - _BEFORE_SENDING <= at <= latest


def _executed(doubt: Doubt, trades: Sequence[Trade], now: datetime) -> Verdict:
    """Take an order that only its executions show: it was placed, the book is behind."""
    ids = {trade.broker_order_id for trade in trades}
    if len(ids) > 1:
        listed = ", ".join(sorted(ids))
        return Verdict(
            change=_attention(AttentionReason.AMBIGUOUS_MATCH, f"one tag on trades of: {listed}")
        )
    filled = sum(trade.quantity for trade in trades)
    value = sum((trade.price * trade.quantity for trade in trades), Decimal(0))
    whole = filled >= doubt.terms.quantity
    report = OrderReport(
        status=OrderStatus.FILLED if whole else OrderStatus.PARTIAL,
        broker_order_id=ids.pop(),
        client_order_id=doubt.client_order_id,
        filled_quantity=filled,
        average_price=value / filled if filled else None,
        at=max((trade.at for trade in trades if trade.at), default=None),
    )
    return Verdict(word=_word(doubt, report, now, "seen in the trade book only"))


def _word(doubt: Doubt, report: OrderReport, now: datetime, note: str = "") -> Word:
    if note:
        report = replace(report, message=f"{note}; {report.message}".rstrip("; "))
    return Word(
        account_id=doubt.account_id,
        source=UpdateSource.BOOK,
        received_at=now,
        order_id=doubt.order_id,
        report=report,
    )


def _ambiguous(why: str, rows: Iterable[OrderReport]) -> Verdict:
    ids = ", ".join(row.broker_order_id for row in rows)
    return Verdict(change=_attention(AttentionReason.AMBIGUOUS_MATCH, f"{why}: {ids}"))


def _attention(reason: AttentionReason, message: str) -> Change:
    return Change(state=OrderState.NEEDS_ATTENTION, reason=reason, message=message)


def _next_look_s(doubt: Doubt, now: datetime, window_s: float) -> float:
    since_s = (now - doubt.deadline).total_seconds()
    if since_s < 0:
        return max(min(-since_s, window_s / 60), 0.05)
    ahead = [at * window_s - since_s for at in _LOOKS if at * window_s > since_s]
    return max(min(ahead, default=window_s / 12), 0.05)
