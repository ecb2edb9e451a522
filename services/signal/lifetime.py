"""How long a signal may be acted on, by what it does."""

from datetime import datetime, timedelta

from libs.trading.calendar import end_of_trading_day
from libs.trading.signals import SignalAction

PLACE_DEFAULT_S = 30
PLACE_MAX_S = 120
MODIFY_DEFAULT_S = 60
_SHORTEST = timedelta(seconds=1)
# Over before anybody can plan it, and still after its acceptance.
_BORN_OLD = timedelta(microseconds=1)

_CHOICE_S = {
    SignalAction.PLACE: (PLACE_DEFAULT_S, PLACE_MAX_S),
    SignalAction.MODIFY: (MODIFY_DEFAULT_S, MODIFY_DEFAULT_S),
}


def lifetime_problem(action: SignalAction, expires_in_s: int | None) -> str | None:
    """Say what is wrong with the lifetime a master asked for, or None."""
    if expires_in_s is None:
        return None
    if action not in _CHOICE_S:
        return f"{action} is good until the end of the trading day, leave it out"
    longest_s = _CHOICE_S[action][1]
    if not 1 <= expires_in_s <= longest_s:
        return f"must be 1 to {longest_s} seconds for {action}, or left out"
    return None


def expiry_of(
    action: SignalAction,
    accepted_at: datetime,
    expires_in_s: int | None,
    event_at: datetime | None = None,
) -> datetime:
    """Find the instant after which nobody acts on the signal any more.

    An entry that reached us late has lived since `event_at`; a clock ahead of ours gives it no more
    time than others have. A way out is never too late on its day.
    """
    if action.reduces_risk:
        # The day's last second must not make an exit that is born dead.
        return max(end_of_trading_day(accepted_at), accepted_at + _SHORTEST)
    began_at = min(event_at or accepted_at, accepted_at)
    lives = timedelta(seconds=expires_in_s or _CHOICE_S[action][0])
    return max(began_at + lives, accepted_at + _BORN_OLD)
