"""Which stored account a login belongs to, and how an account is told to others. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from libs.runtime.problems import Problem
from libs.trading.accounts import Account, SessionState


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """A stored account of one link; `broker_client_id` is None before its first connect."""

    account_id: str
    broker_client_id: str | None
    session_state: SessionState


def slot_for(slots: Sequence[Slot], client_id: str, title: str) -> Slot | None:
    """Choose the account a fresh login of `client_id` belongs to; None for a new one.

    The linked account, else one that had this client before, else the place kept for an own app.
    Raise `Problem` when another client is linked: the stored session stays as it is.
    """
    linked = next((s for s in slots if s.session_state is not SessionState.DISCONNECTED), None)
    if linked is not None:
        if linked.broker_client_id != client_id:
            raise Problem(
                409,
                "OTHER_CLIENT_LINKED",
                f"You signed in at {title} as {client_id}, but {linked.broker_client_id} is "
                f"connected here. Disconnect it first, or connect again as "
                f"{linked.broker_client_id}. Nothing was changed.",
                data={"broker_client_id": linked.broker_client_id},
            )
        return linked
    former = next((s for s in slots if s.broker_client_id == client_id), None)
    return former or waiting(slots)


def waiting(slots: Sequence[Slot]) -> Slot | None:
    """Find the place kept for an account whose own app is stored and that never connected."""
    return next((s for s in slots if s.broker_client_id is None), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """One account as its owner sees it."""

    account: Account
    last_sync_at: datetime | None


_STATUS = {
    SessionState.CONNECTED: "connected",
    SessionState.EXPIRED: "expired",
    SessionState.ERROR: "error",
    SessionState.DISCONNECTED: "disconnected",
}


def connection_status(account: Account, now: datetime) -> str:
    """Name the state for the owner; past its end it is expired, swept or not."""
    over = account.session_expires_at is not None and account.session_expires_at <= now
    if account.session_state is SessionState.CONNECTED and over:
        return _STATUS[SessionState.EXPIRED]
    return _STATUS[account.session_state]
