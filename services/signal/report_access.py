"""Who may see which report: a master their own signals, a follower their own follows."""

from uuid import UUID

from libs.runtime.identity import Principal
from libs.trading.signals import Signal
from services.signal import refusals
from services.signal.records import StoredFollow
from services.signal.repository import SignalRepository


async def own_signal(signal_id: UUID, master: Principal, repository: SignalRepository) -> Signal:
    """Find a signal of the caller. Raise `Problem` when it is not theirs, or not at all."""
    signal = await repository.signal_of(master.user_id, str(signal_id))
    if signal is None:
        raise refusals.signal_unknown()
    return signal


async def own_follow(
    follow_id: UUID, follower: Principal, repository: SignalRepository
) -> StoredFollow:
    """Find a follow of the caller. Raise `Problem` when it is not theirs, or not at all."""
    stored = await repository.follow_of(follower.user_id, str(follow_id))
    if stored is None:
        raise refusals.follow_unknown()
    return stored
