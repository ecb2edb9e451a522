"""The state of a broker login: who it was made for, and why one is refused. Pure.

Made of 256 random bits (asked for: 128), stored as a hash, used once within ten minutes.
"""

import hashlib
import secrets
from dataclasses import dataclass
from datetime import timedelta

from libs.runtime.problems import Problem
from libs.trading.accounts import AccountKind

LIFE = timedelta(minutes=10)

# The first letter tells the callback page which address to post to; it decides nothing.
_PREFIX = {AccountKind.CLIENT: "c", AccountKind.TRADER: "t"}
_LENGTH_MAX = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """One card of the connection page: this user's account of this kind at this broker."""

    user_id: str
    broker: str
    kind: AccountKind


@dataclass(frozen=True, slots=True, kw_only=True)
class IssuedState:
    """What was written down when the login began."""

    link: Link
    used: bool
    expired: bool


def new_state(kind: AccountKind) -> str:
    return _PREFIX[kind] + secrets.token_urlsafe(32)


def state_hash(state: str) -> str:
    return hashlib.sha256(state.encode("utf-8", "replace")).hexdigest()


def require_state(state: str) -> None:
    """Raise `Problem` when there is no state to look up at all."""
    if not state.strip():
        raise Problem(
            400,
            "STATE_MISSING",
            "This sign-in link is incomplete: its state is missing. Connect again.",
            field="state",
        )
    if len(state) > _LENGTH_MAX:
        raise _not_yours()


def refusal(issued: IssuedState | None, link: Link) -> Problem:
    """Say why a state that could not be claimed is refused."""
    # Unknown and somebody else's look the same: nobody learns which states exist.
    if issued is None or issued.link != link:
        return _not_yours()
    if issued.used:
        return _refused("STATE_USED", "This sign-in link was used already. Connect again.")
    if issued.expired:
        return _refused("STATE_EXPIRED", "This sign-in link is too old. Connect again.")
    # It was free a moment ago: two tabs came at once and the other one was first.
    return _refused("STATE_USED", "This sign-in link was used already. Connect again.")


def _not_yours() -> Problem:
    return _refused(
        "STATE_UNKNOWN",
        "This sign-in link was not made for you and this broker account. Connect again.",
    )


def _refused(code: str, message: str) -> Problem:
    return Problem(400, code, message, field="state")
