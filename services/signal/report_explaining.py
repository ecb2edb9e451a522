"""Why a follower was copied or not: one answer per signal, also where no order exists. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum

from libs.trading.follows import Follow
from libs.trading.signals import Signal, SignalAction
from libs.trading.states import TERMINAL, WORKING, OrderState
from services.signal.report_records import CopiedOrder
from services.signal.report_sentences import own_sentence

S = OrderState

# Reports are some seconds behind: until then no order proves nothing.
_TOLD_WITHIN = timedelta(seconds=10)
# An order that is not told of after this is not just on its way.
_PLANNED_WITHIN = timedelta(seconds=120)


class Outcome(StrEnum):
    """What became of one signal at one follow."""

    NOT_COVERED = "NOT_COVERED"
    ON_THE_WAY = "ON_THE_WAY"
    WAITING = "WAITING"
    WORKING = "WORKING"
    COPIED = "COPIED"
    PARTLY_COPIED = "PARTLY_COPIED"
    SKIPPED = "SKIPPED"
    REJECTED = "REJECTED"
    CANCELLED = "CANCELLED"
    LAPSED = "LAPSED"
    NOT_PLACED = "NOT_PLACED"
    NEEDS_ATTENTION = "NEEDS_ATTENTION"
    EARLIER_ORDER = "EARLIER_ORDER"
    NOTHING_TO_CHANGE = "NOTHING_TO_CHANGE"
    NOTHING_TO_CLOSE = "NOTHING_TO_CLOSE"
    NO_ORDER = "NO_ORDER"


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """`reason` is a code of the closed lists or the broker's; `figures` are those behind it."""

    outcome: Outcome
    sentence: str
    reason: str | None = None
    figures: dict[str, str] = field(default_factory=dict)


_ON_THE_WAY = Explanation(
    outcome=Outcome.ON_THE_WAY, sentence="The signal is on its way to your account."
)
_NOTHING_TO_CHANGE = Explanation(
    outcome=Outcome.NOTHING_TO_CHANGE,
    sentence="You had no order at the broker that this signal could change.",
)
_NOTHING_TO_CLOSE = Explanation(
    outcome=Outcome.NOTHING_TO_CLOSE,
    sentence="This strategy had opened nothing here that the exit could close.",
)

# The first that any of the orders is in speaks for all; what is left is over.
_UNFINISHED = (
    (Outcome.NEEDS_ATTENTION, frozenset({S.NEEDS_ATTENTION})),
    (Outcome.ON_THE_WAY, frozenset({S.PLANNED, S.SENDING, S.UNKNOWN})),
    (Outcome.WAITING, frozenset({S.HELD, S.AWAITING_USER})),
    (Outcome.WORKING, WORKING),
)
_OVER = {state: Outcome(state.value) for state in TERMINAL - {S.FILLED}}


def explained(
    follow: Follow, signal: Signal, orders: Sequence[CopiedOrder], *, opened: bool, now: datetime
) -> Explanation:
    """Say what became of a signal at a follow.

    `orders` are the follow's of this signal, or for MODIFY and CANCEL those of the PLACE it
    changes. `opened` tells whether the strategy had opened anything here that an EXIT could close.
    """
    if not follow.covers(signal.seq):
        return _not_covered(follow, signal)
    if not orders:
        return _without_order(signal, opened=opened, age=now - signal.stamps.accepted_at)
    if signal.parent_signal_id is not None:
        return _of_a_change(signal, orders)
    return _of_orders(signal, orders)


def _without_order(signal: Signal, *, opened: bool, age: timedelta) -> Explanation:
    if age < _TOLD_WITHIN:
        return _ON_THE_WAY
    if signal.parent_signal_id is not None:
        return _NOTHING_TO_CHANGE
    if signal.action is SignalAction.EXIT and not opened:
        return _NOTHING_TO_CLOSE
    if age < _PLANNED_WITHIN:
        return _ON_THE_WAY
    return Explanation(
        outcome=Outcome.NO_ORDER,
        sentence="No order of yours is known for this signal. If that stays so, tell an operator"
        f" its number: {signal.signal_id}.",
    )


def _not_covered(follow: Follow, signal: Signal) -> Explanation:
    figures = {"seq": str(signal.seq), "from_seq": str(follow.from_seq)}
    if signal.seq <= follow.from_seq:
        words = (
            f"It was given before you followed: your follow begins after the master's signal"
            f" {follow.from_seq}, this is signal {signal.seq}."
        )
    else:
        figures["until_seq"] = str(follow.until_seq)
        words = (
            f"It was given after your follow had ended with the master's signal"
            f" {follow.until_seq}, this is signal {signal.seq}."
        )
    return Explanation(outcome=Outcome.NOT_COVERED, sentence=words, figures=figures)


def _of_a_change(signal: Signal, orders: Sequence[CopiedOrder]) -> Explanation:
    """Events do not tell of each change, only what its order is like now."""
    if all(order.state == S.SKIPPED for order in orders):
        return _NOTHING_TO_CHANGE
    of_order = _of_orders(signal, orders)
    verb = "cancels" if signal.action is SignalAction.CANCEL else "changes"
    return Explanation(
        outcome=Outcome.EARLIER_ORDER,
        sentence=f"It {verb} the order of an earlier signal. {of_order.sentence}",
        reason=of_order.reason,
        figures=of_order.figures,
    )


def _of_orders(signal: Signal, orders: Sequence[CopiedOrder]) -> Explanation:
    figures = _figures(signal, orders)
    for outcome, states in _UNFINISHED:
        speaking = next((order for order in orders if order.state in states), None)
        if speaking:
            return _told_by(speaking, outcome, figures)
    # What never reached the broker was made good by another order, or nothing was.
    wanted = sum(order.quantity for order in orders if order.state != S.NOT_PLACED)
    filled = sum(order.filled_quantity for order in orders)
    if not filled:
        newest = max(orders, key=lambda order: order.order_id)
        return _told_by(newest, _OVER.get(OrderState(newest.state), Outcome.COPIED), figures)
    is_whole = filled >= wanted
    price = figures.get("average_price")
    return Explanation(
        outcome=Outcome.COPIED if is_whole else Outcome.PARTLY_COPIED,
        sentence=(f"All {filled}" if is_whole else f"{filled} of {wanted}")
        + " filled"
        + (f" at ₹{price}" if price else "")
        + ("." if is_whole else ", the rest is over."),
        figures=figures,
    )


def _told_by(order: CopiedOrder, outcome: Outcome, figures: dict[str, str]) -> Explanation:
    return Explanation(
        outcome=outcome,
        sentence=own_sentence(order.state, order.reason, order.message),
        reason=order.reason,
        figures={**figures, **order.figures},
    )


def _figures(signal: Signal, orders: Sequence[CopiedOrder]) -> dict[str, str]:
    fills = [
        (order.filled_quantity, order.average_price)
        for order in orders
        if order.filled_quantity and order.average_price is not None
    ]
    quantity = sum(filled for filled, _ in fills)
    figures = {
        "quantity": str(sum(order.quantity for order in orders if order.state != S.NOT_PLACED)),
        "filled_quantity": str(sum(order.filled_quantity for order in orders)),
    }
    if signal.terms is not None:
        figures["master_quantity"] = str(signal.terms.quantity)
        if signal.terms.limit_price is not None:
            figures["master_price"] = f"{signal.terms.limit_price:f}"
    if quantity:
        value = sum((filled * price for filled, price in fills), Decimal(0))
        figures["average_price"] = f"{(value / quantity).quantize(Decimal('0.01')):f}"
    return figures
