"""Every no of this service, with its code and its sentence.

Somebody else's row is answered exactly like a row that does not exist.
"""

from libs.runtime.problems import Problem
from libs.trading.signals import SignalAction


def invalid(field: str, problem: str) -> Problem:
    """Refuse a body that breaks a rule: which field, and how to mend it."""
    return Problem(422, "INVALID", f"{field}: {problem}", field=field)


def key_reused() -> Problem:
    return Problem(
        409,
        "IDEMPOTENCY_KEY_REUSED",
        "This Idempotency-Key came with another body before. Repeat that body to get its answer, "
        "or send this one under a new key.",
        field="Idempotency-Key",
    )


def backlog_full(action: SignalAction) -> Problem:
    return Problem(
        503,
        "BACKLOG_FULL",
        f"Too many signals wait for the bus, so {action} is not taken just now. Nothing was done. "
        "CANCEL and EXIT are still taken. Try again with the same Idempotency-Key.",
    )


def strategy_unknown() -> Problem:
    return Problem(
        404, "STRATEGY_UNKNOWN", "There is no such strategy. GET /strategies lists them."
    )


def strategy_not_yours() -> Problem:
    return Problem(
        404, "STRATEGY_UNKNOWN", "You have no such strategy. GET /strategies lists them."
    )


def name_taken(name: str) -> Problem:
    return Problem(
        409, "NAME_TAKEN", f"You already have a strategy called {name!r}. Choose another name.",
        field="name",
    )  # fmt: skip


def signal_unknown() -> Problem:
    return Problem(404, "SIGNAL_UNKNOWN", "You have no such signal. GET /signals lists them.")


def signal_not_of_this_strategy() -> Problem:
    return Problem(
        404,
        "SIGNAL_UNKNOWN",
        "The strategy of this follow has no such signal. GET /reports/follows/{follow_id}/signals"
        " lists those it covers.",
    )


def parent_unknown() -> Problem:
    return Problem(
        404,
        "PARENT_UNKNOWN",
        "parent_signal_id: you have no such signal. Give that of the PLACE or EXIT to change.",
        field="parent_signal_id",
    )


def parent_not_an_order(action: SignalAction) -> Problem:
    return Problem(
        409,
        "PARENT_NOT_AN_ORDER",
        f"parent_signal_id: that signal is a {action}, only a PLACE or an EXIT can be changed or"
        " cancelled.",
        field="parent_signal_id",
    )


def parent_of_another_strategy() -> Problem:
    return Problem(
        409,
        "PARENT_OF_ANOTHER_STRATEGY",
        "parent_signal_id: that signal belongs to another strategy of yours. Send this under it.",
        field="parent_signal_id",
    )


def follow_unknown() -> Problem:
    return Problem(404, "FOLLOW_UNKNOWN", "You have no such follow. GET /follows lists yours.")


def follow_ended() -> Problem:
    return Problem(
        409, "FOLLOW_ENDED", "This follow has ended and stays so. Follow the strategy anew."
    )


def already_following(follow_id: str) -> Problem:
    return Problem(
        409,
        "ALREADY_FOLLOWING",
        "This account follows this strategy already. Change that follow, or end it first.",
        data={"follow_id": follow_id},
    )


def own_strategy() -> Problem:
    return Problem(
        409, "OWN_STRATEGY", "This is your own strategy. Follow somebody else's.",
        field="strategy_id",
    )  # fmt: skip


def account_unknown() -> Problem:
    return Problem(
        404,
        "ACCOUNT_UNKNOWN",
        "account_id: you have no such broker account. Connect one first.",
        field="account_id",
    )


def account_not_connected() -> Problem:
    return Problem(
        409,
        "ACCOUNT_NOT_CONNECTED",
        "account_id: please re-connect your broker, then follow.",
        field="account_id",
    )


def account_not_for_following() -> Problem:
    return Problem(
        409,
        "ACCOUNT_NOT_FOR_FOLLOWING",
        "account_id: this is a master's account. Connect one as a follower.",
        field="account_id",
    )
