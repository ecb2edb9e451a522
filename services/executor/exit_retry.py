"""Which exits failed, what a person is told of one, and what another try of it may close. Pure.

A retry is another order, decided anew: it closes what the failed one left, and never opens
anything. While the first may still be alive there is none.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from libs.trading.calendar import end_of_trading_day
from libs.trading.orders import Product
from libs.trading.reasons import ClosedReason, SkipReason
from libs.trading.signals import Signal
from libs.trading.states import OrderState
from services.executor.attention import Refusal
from services.executor.exits import Opened

S = OrderState

_UNCLEAR = frozenset({S.SENDING, S.UNKNOWN, S.NEEDS_ATTENTION})
_ENDED = frozenset({S.SKIPPED, S.REJECTED, S.CANCELLED, S.LAPSED, S.NOT_PLACED})
FAILED_STATES = _ENDED | {S.UNKNOWN, S.NEEDS_ATTENTION}

# Somebody wanted it so, or a rule of the follower's share did: nothing went wrong.
_INTENDED = frozenset({SkipReason.MASTER_CANCELLED, SkipReason.TOO_SMALL, ClosedReason.ABANDONED})
# The day's last second must not make a retry that is born dead.
_SHORTEST = timedelta(seconds=1)

_ADVICE_UNCLEAR = (
    "Look at your broker: until it is known what became of this order, no other one is sent."
)
_ADVICE = "Try again from your orders, or close it at your broker."
# The master left another side than the follower is on.
_ADVICE_OTHER_SIDE = "Close it at your broker if it is not to stay open."


@dataclass(frozen=True, slots=True, kw_only=True)
class ExitOrder:
    """An order as far as another try of it must know it.

    `cancelled` tells that its master asked for its end, `settled` that what it left was closed
    since, some other way. `by_hand` is what the account's owner closed since of deliveries; of
    other products such trades stand in the position. `older` is the net of what came before an exit
    that found nothing to close: what was entered later is no concern of it.
    """

    order_id: str
    action: str
    state: OrderState
    reason: str | None
    message: str
    account_id: str
    user_id: str
    broker: str
    shard: int
    environment: str
    instrument: str
    product: Product
    quantity: int
    filled_quantity: int
    cancelled: bool
    settled: bool = False
    by_hand: int = 0
    older: int | None = None

    @property
    def unfilled(self) -> int | None:
        """Count what it did not close; None where it was skipped before that was worked out."""
        return self.quantity - self.filled_quantity if self.quantity else None


def is_failed(order: ExitOrder) -> bool:
    """Tell an exit that went wrong from one that somebody took back."""
    if order.action != "EXIT" or order.state not in FAILED_STATES:
        return False
    over = order.settled or order.unfilled == 0
    return not (over or _taken_back(order) or order.reason in _INTENDED)


def still_open(order: ExitOrder, mine: Opened, elsewhere: int | None) -> int:
    """Count what a failed exit leaves open now; nothing once it was closed some other way."""
    # What another exit is closing is open until it is closed. One that was skipped because all
    # was being closed already went well.
    waits_for_others = order.reason == SkipReason.CLOSED_ELSEWHERE
    book = mine if waits_for_others else replace(mine, closing=0)
    left = max(book.left(order.product, elsewhere) - order.by_hand, 0)
    if order.older is not None:
        left = min(left, abs(order.older))
    return left if order.unfilled is None else min(left, order.unfilled)


def refusal(order: ExitOrder) -> Refusal | None:
    """Say why an order can not be tried again, None when it can be looked at."""
    if order.action != "EXIT":
        return Refusal(
            code="NOT_AN_EXIT",
            message="Only an exit can be tried again. An entry is the master's to repeat.",
        )
    if order.state in _UNCLEAR:
        return Refusal(
            code="ORDER_UNCLEAR",
            message="It is not known yet what became of this order: it may still be filled."
            " Look at your broker, and try again when this order has ended.",
        )
    if order.state not in _ENDED and order.unfilled != 0:
        return Refusal(
            code="ORDER_WORKING",
            message="This order is still at work. It can be tried again once it has ended.",
        )
    if order.unfilled == 0:
        return Refusal(code="ORDER_FILLED", message="This order closed all it should.")
    if _taken_back(order):
        return Refusal(code=SkipReason.MASTER_CANCELLED, message="The master took this exit back.")
    if order.settled:
        return Refusal(
            code=SkipReason.CLOSED_ELSEWHERE,
            message="What this exit should have closed was closed since.",
        )
    if order.reason == ClosedReason.ABANDONED:
        return Refusal(
            code=ClosedReason.ABANDONED,
            message="Nobody found out what became of this order, so it may have been filled."
            " Look at your broker and close there what is left.",
        )
    return None


def anew(signal: Signal, order: ExitOrder, now: datetime) -> Signal:
    """Make the exit of now out of the one that failed: its terms, and a life of its own.

    It closes what stands open, on whichever side that is. Where the first knew its quantity, that
    is the most; where it did not, the master's share is worked out again.
    """
    return replace(
        signal,
        side=None,
        held_quantity=signal.held_quantity if order.unfilled is None else None,
        expires_at=max(end_of_trading_day(now), now + _SHORTEST),
    )


def bounded(order: ExitOrder, mine: Opened, elsewhere: int | None) -> Opened:
    """Let an exit see no more than the failed one left: the rest counts as being closed."""
    mine = replace(mine, closing=mine.closing + order.by_hand)
    if order.unfilled is None:
        return mine
    too_much = max(mine.left(order.product, elsewhere) - order.unfilled, 0)
    return replace(mine, closing=mine.closing + too_much)


def late_part(mine: Opened, late: int, product: Product, elsewhere: int | None) -> Opened:
    """Let an exit see no more than what its entries filled after it."""
    return replace(mine, closing=mine.closing + max(mine.left(product, elsewhere) - late, 0))


def figures_of(order: ExitOrder, left: int) -> dict[str, str]:
    """Say what was not closed, how much, why, and what to do."""
    return {
        "account_id": order.account_id,
        "instrument": order.instrument,
        "quantity": str(left),
        "state": order.state.value,
        "reason": order.reason or "",
        "why": _why(order),
        "advice": _advice(order),
    }


def _advice(order: ExitOrder) -> str:
    if order.state in _UNCLEAR:
        return _ADVICE_UNCLEAR
    if order.reason == SkipReason.CLOSED_ELSEWHERE:
        return _ADVICE_OTHER_SIDE
    return _ADVICE


def _taken_back(order: ExitOrder) -> bool:
    return order.reason == SkipReason.MASTER_CANCELLED or (
        order.cancelled and order.state is S.CANCELLED
    )


def _why(order: ExitOrder) -> str:
    match order.state:
        case S.SKIPPED:
            return order.message
        case S.UNKNOWN:
            return "The broker's answer was not clear; the order is being looked up."
        case S.NEEDS_ATTENTION:
            return "The broker's records are not clear; a person is looking at the order."
        case S.NOT_PLACED:
            return "The order never reached the broker."
        case S.REJECTED:
            said = f": {order.message.rstrip('.')}" if order.message else ""
            return f"The broker refused it{said}."
        case _:
            said = f" ({order.message})" if order.message else ""
            return f"The order ended at the broker before all was closed{said}."
