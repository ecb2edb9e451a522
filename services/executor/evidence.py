"""When to look for an order we lost sight of, and what the looks prove. Pure.

Transitions 12 to 14: found by its tag, proved absent, or a case for a person.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from libs.trading.events import UpdateSource
from libs.trading.orders import OrderReport
from libs.trading.reasons import AttentionReason
from libs.trading.states import OrderState
from services.executor.rows import Change, Word

# Fractions of the evidence window: 2, 5, 10, 20, 40, 80 and 120 s of the default 120.
_LOOKS = (1 / 60, 1 / 24, 1 / 12, 1 / 6, 1 / 3, 2 / 3, 1.0)
_LOOKS_MIN = 3
_UNREADABLE_MAX = timedelta(minutes=5)


@dataclass(frozen=True, slots=True, kw_only=True)
class Doubt:
    """One order in UNKNOWN. `deadline` is when its answer should have come at the latest."""

    order_id: str
    version: int
    account_id: str
    client_order_id: str
    deadline: datetime
    looks: int
    changed_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What one look brought: a broker's word to fold, a change to make, or another look."""

    word: Word | None = None
    change: Change | None = None
    looked: bool = False
    due_in_s: float = 0


def after_look(
    doubt: Doubt, book: Sequence[OrderReport], *, now: datetime, window_s: float
) -> Verdict:
    """Judge one complete, successful read of the account's order book."""
    matches = [report for report in book if report.client_order_id == doubt.client_order_id]
    if len(matches) > 1:
        ids = ", ".join(report.broker_order_id for report in matches)
        return Verdict(change=_attention(AttentionReason.AMBIGUOUS_MATCH, f"one tag on: {ids}"))
    if matches:
        return Verdict(
            word=Word(
                account_id=doubt.account_id,
                source=UpdateSource.BOOK,
                received_at=now,
                order_id=doubt.order_id,
                report=matches[0],
            )
        )
    counts = now >= doubt.deadline
    looks = doubt.looks + counts
    window_over = now >= doubt.deadline + timedelta(seconds=window_s)
    if window_over and looks >= _LOOKS_MIN:
        message = f"absent from {looks} complete order books, the last {window_s:g} s after"
        return Verdict(change=Change(state=OrderState.NOT_PLACED, message=message))
    return Verdict(looked=counts, due_in_s=_next_look_s(doubt, now, window_s))


def after_unreadable(doubt: Doubt, *, now: datetime, window_s: float, message: str) -> Verdict:
    """Judge a look that failed: the book could not be read, or the session is dead."""
    if now - doubt.changed_at > max(_UNREADABLE_MAX, timedelta(seconds=2 * window_s)):
        return Verdict(change=_attention(AttentionReason.BOOK_UNREADABLE, message))
    return Verdict(due_in_s=max(window_s / 12, 0.2))


def _attention(reason: AttentionReason, message: str) -> Change:
    return Change(state=OrderState.NEEDS_ATTENTION, reason=reason, message=message)


def _next_look_s(doubt: Doubt, now: datetime, window_s: float) -> float:
    since_s = (now - doubt.deadline).total_seconds()
    if since_s < 0:
        return max(min(-since_s, window_s / 60), 0.05)
    ahead = [at * window_s - since_s for at in _LOOKS if at * window_s > since_s]
    return max(min(ahead, default=window_s / 12), 0.05)
