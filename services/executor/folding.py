"""What a broker's word changes in a follower order: transitions 6 to 12a and 15 to 17. Pure."""

from datetime import datetime, timedelta

from libs.trading.orders import OrderReport, OrderStatus
from libs.trading.reasons import AttentionReason, ClosedReason, HoldReason, SkipReason
from libs.trading.states import AT_BROKER, HAD_BY_BROKER, OrderState, folded_state
from services.executor.rows import Change, OrderRow, Word

NOT_SENT, SESSION, RATE, UNKNOWN = "NOT_SENT", "SESSION", "RATE", "UNKNOWN"

_HOLD_OF = {NOT_SENT: HoldReason.BREAKER, SESSION: HoldReason.SESSION, RATE: HoldReason.RATE}
_SKIP_OF = {NOT_SENT: SkipReason.EXPIRED, SESSION: SkipReason.SESSION, RATE: SkipReason.EXPIRED}
# States in which a broker can have nothing of ours: no report can be about this order.
_NEVER_SENT = frozenset({OrderState.PLANNED, OrderState.HELD, OrderState.SKIPPED})
# Many brokers date to the second. A stamp from the future, or of another day, cannot be right.
_A_SECOND = timedelta(seconds=1)
_CLOCKS_APART = timedelta(minutes=1)
_A_DAY = timedelta(days=1)


def folded(row: OrderRow, word: Word, *, now: datetime, attempts_max: int) -> Change | None:
    """Decide what this word changes; None when it changes nothing."""
    if word.problem is not None:
        return _after_problem(row, word, now=now, attempts_max=attempts_max)
    if word.report is None:
        return None
    return _after_report(row, word.report, word)


def _after_problem(row: OrderRow, word: Word, *, now: datetime, attempts_max: int) -> Change | None:
    # Only the request itself speaks here, and only while it is still the one in flight.
    if row.state is not OrderState.SENDING:
        return None
    hold = _HOLD_OF.get(word.problem or "")
    if hold is None:
        return Change(state=OrderState.UNKNOWN, message=word.message, due_in_s=0)
    # Only what the broker saw counts as a try. What never left is bounded by its expiry, and
    # paced by the breaker.
    tries_left = row.attempts < attempts_max or word.problem == NOT_SENT
    if row.expires_at > now and tries_left:
        return Change(
            state=OrderState.HELD,
            reason=hold,
            message=word.message,
            due_in_s=word.retry_after_s,
        )
    skip = _SKIP_OF[word.problem or ""]
    return Change(state=OrderState.SKIPPED, reason=skip, message=word.message)


def _after_report(row: OrderRow, report: OrderReport, word: Word) -> Change | None:
    if row.state in _NEVER_SENT:
        return None
    if row.state is OrderState.NEEDS_ATTENTION:
        return None  # A person decides; the observation is kept beside the order.
    if row.reason == ClosedReason.ABANDONED and report.filled_quantity <= row.filled_quantity:
        return None  # A person gave it up: only a new fill brings it back.
    state = folded_state(row.state, row.filled_quantity, report)
    filled = max(row.filled_quantity, report.filled_quantity)
    broker_order_id = row.broker_order_id or report.broker_order_id or None
    if not _says_something_new(row, state, filled, broker_order_id):
        return None
    if state is OrderState.NEEDS_ATTENTION:
        return Change(
            state=state,
            reason=AttentionReason.CONTRADICTION,
            message=f"{row.state} here, but the broker ({word.source}) says {report.status}",
        )
    return Change(
        state=state,
        reason=report.code if report.status is OrderStatus.REJECTED else None,
        message=report.message if state in AT_BROKER else "",
        broker_order_id=broker_order_id,
        filled_quantity=filled,
        average_price=report.average_price if report.filled_quantity >= filled else None,
        acknowledged_at=word.received_at if state in HAD_BY_BROKER else None,
        filled_at=filled_at(report, word.received_at) if state is OrderState.FILLED else None,
    )


def filled_at(report: OrderReport, received_at: datetime) -> datetime:
    """Say when an order was filled: its broker's own time, or when we heard of it.

    The latter too when the broker names only the second in which we heard, no time but that of the
    order's beginning, or one that cannot be.
    """
    at = report.at
    if at is None or at == report.placed_at:
        return received_at
    age = received_at - at
    if not at.microsecond and timedelta(0) <= age < _A_SECOND:
        return received_at
    return at if -_CLOCKS_APART <= age < _A_DAY else received_at


def _says_something_new(
    row: OrderRow, state: OrderState, filled: int, broker_order_id: str | None
) -> bool:
    return (state, filled, broker_order_id) != (
        row.state,
        row.filled_quantity,
        row.broker_order_id,
    )
