"""What is said about one follower order: to its follower with the figures, to its master without.

A follower's limits, funds and the broker's words about their account are the follower's own.
"""

from collections.abc import Mapping

from libs.trading.reasons import HOLD_SENTENCES, SKIP_SENTENCES
from libs.trading.states import OrderState

S = OrderState

_BY_STATE: Mapping[OrderState, str] = {
    S.PLANNED: "The order is about to be sent.",
    S.HELD: "The order waits.",
    S.AWAITING_USER: "The order waits for the account holder's approval.",
    S.SKIPPED: "No order was sent.",
    S.SENDING: "The order is on its way to the broker.",
    S.UNKNOWN: "The broker has not said whether it has the order. It is looked up, never resent.",
    S.ACKED: "The broker has the order.",
    S.OPEN: "The broker has the order, and nothing is filled yet.",
    S.PARTIAL: "A part of the order is filled.",
    S.FILLED: "The order is filled.",
    S.CANCELLED: "The order was cancelled.",
    S.REJECTED: "The broker refused the order.",
    S.LAPSED: "The order ran out at the broker.",
    S.NOT_PLACED: "The order never reached the broker.",
    S.NEEDS_ATTENTION: "A person must decide about this order.",
}
_BY_REASON: Mapping[str, Mapping[str, str]] = {
    S.SKIPPED: {reason.value: text for reason, text in SKIP_SENTENCES.items()},
    S.HELD: {reason.value: text for reason, text in HOLD_SENTENCES.items()},
}


def general_sentence(state: str, reason: str | None) -> str:
    """Say what became of an order, with nothing that is only the follower's to know."""
    return _BY_REASON.get(state, {}).get(reason or "") or _BY_STATE[OrderState(state)]


def own_sentence(state: str, reason: str | None, message: str) -> str:
    """Say what became of the follower's own order, with the figures or the broker's own words."""
    if message and state in {S.SKIPPED, S.HELD}:
        return message
    if message and state == S.REJECTED:
        return f"The broker refused the order: {message}"
    return general_sentence(state, reason)
