"""The follower order's state machine: which moves exist, and how what brokers say is folded in.

Numbers in comments are the transitions of docs/reliability.md. Pure; every write of these states
is a compare-and-set on (id, state, version) in the executor's ledger.
"""

from collections.abc import Mapping
from enum import StrEnum

from libs.trading.orders import OrderReport, OrderStatus


class OrderState(StrEnum):
    PLANNED = "PLANNED"
    HELD = "HELD"
    AWAITING_USER = "AWAITING_USER"
    SKIPPED = "SKIPPED"
    SENDING = "SENDING"
    UNKNOWN = "UNKNOWN"
    ACKED = "ACKED"
    OPEN = "OPEN"
    PARTIAL = "PARTIAL"
    FILLED = "FILLED"
    CANCELLED = "CANCELLED"
    REJECTED = "REJECTED"
    LAPSED = "LAPSED"
    NOT_PLACED = "NOT_PLACED"
    NEEDS_ATTENTION = "NEEDS_ATTENTION"


S = OrderState

SENDABLE = frozenset({S.PLANNED, S.HELD})
WORKING = frozenset({S.ACKED, S.OPEN, S.PARTIAL})
CLOSED_AT_BROKER = frozenset({S.FILLED, S.CANCELLED, S.REJECTED, S.LAPSED})
TERMINAL = CLOSED_AT_BROKER | {S.SKIPPED, S.NOT_PLACED}
AT_BROKER = WORKING | CLOSED_AT_BROKER
# A rejection is an answer, but the broker never had the order.
HAD_BY_BROKER = AT_BROKER - {S.REJECTED}

MOVES: Mapping[OrderState, frozenset[OrderState]] = {
    # 2 sent; 3, 4 skipped; 5 changed in place; held again while waiting.
    S.PLANNED: frozenset({S.SENDING, S.SKIPPED, S.HELD, S.PLANNED}),
    # 20 the user opened the approval page; 24 declined.
    S.HELD: frozenset({S.SENDING, S.SKIPPED, S.HELD, S.AWAITING_USER}),
    # 21 to 24.
    S.AWAITING_USER: frozenset({S.ACKED, S.HELD, S.SKIPPED, S.UNKNOWN}),
    # 6, 9 proof that nothing was processed; 7, 8 the broker's answer; 10, 11 anything else.
    S.SENDING: frozenset({S.HELD, S.SKIPPED, S.UNKNOWN}) | AT_BROKER,
    # 12, 12a found; 13 absence proved; 14 a person decides. Never back to a sendable state.
    S.UNKNOWN: frozenset({S.NOT_PLACED, S.NEEDS_ATTENTION}) | AT_BROKER,
    # 15, 19.
    S.ACKED: frozenset({S.OPEN, S.PARTIAL, S.NEEDS_ATTENTION}) | CLOSED_AT_BROKER,
    S.OPEN: frozenset({S.PARTIAL, S.NEEDS_ATTENTION}) | CLOSED_AT_BROKER,
    S.PARTIAL: frozenset({S.PARTIAL, S.NEEDS_ATTENTION}) | CLOSED_AT_BROKER,
    # 16 it appeared after all.
    S.NOT_PLACED: AT_BROKER,
    # 17 contradictions.
    S.FILLED: frozenset({S.NEEDS_ATTENTION}),
    S.CANCELLED: frozenset({S.NEEDS_ATTENTION}),
    S.REJECTED: frozenset({S.NEEDS_ATTENTION}),
    S.LAPSED: frozenset({S.NEEDS_ATTENTION}),
    S.SKIPPED: frozenset(),
    # 18 the operator's decision: LINK leads to what the broker shows, MARK_NOT_PLACED and REISSUE
    # to NOT_PLACED, ABANDON to LAPSED. None leads back to a state from which this order is sent.
    S.NEEDS_ATTENTION: frozenset({S.NOT_PLACED}) | AT_BROKER,
}

_STATE_OF: Mapping[OrderStatus, OrderState] = {
    status: OrderState(status.value) for status in OrderStatus
}
_RANK: Mapping[OrderState, int] = {S.ACKED: 0, S.OPEN: 1, S.PARTIAL: 2}


def may_move(source: OrderState, target: OrderState) -> bool:
    return target in MOVES[source]


def folded_state(current: OrderState, filled_quantity: int, report: OrderReport) -> OrderState:
    """Fold one report of the broker into a follower order that is or was at the broker.

    Late and repeated reports change nothing: a cumulative fill never decreases, a working order
    never goes back a step. A terminal state is left only for NEEDS_ATTENTION, when the report
    contradicts it (rule 17); a working report about a finished order is merely late.
    """
    seen = _STATE_OF[report.status]
    if current in CLOSED_AT_BROKER:
        contradicts = seen in CLOSED_AT_BROKER and seen is not current
        grew = report.filled_quantity > filled_quantity
        return S.NEEDS_ATTENTION if contradicts or grew else current
    if current in WORKING and seen in WORKING:
        if report.filled_quantity > filled_quantity:
            return S.PARTIAL
        return seen if _RANK[seen] > _RANK[current] else current
    return seen
