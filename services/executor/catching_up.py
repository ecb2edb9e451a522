"""What the bus did not bring, or brought too late, is read where nothing is ever missing."""

from collections.abc import Iterable, Sequence
from typing import Protocol

import structlog

from libs.trading.accounts import Account
from libs.trading.follows import Follow
from libs.trading.shards import shard_of
from libs.trading.signals import Signal, SignalAction
from services.executor.followers import Followers

log = structlog.get_logger()

SignalForShards = tuple[Signal, list[int]]


class Sources(Protocol):
    """The views of the services that own signals and accounts."""

    async def emitted(self, master_id: str, *, after: int, before: int) -> list[Signal]: ...

    async def live_signals(self, master_ids: Sequence[str]) -> list[Signal]: ...

    async def accounts(self, *, account_ids: Sequence[str]) -> list[Account]: ...


async def without_gaps(
    signals: Sequence[SignalForShards], followers: Followers, sources: Sources
) -> list[SignalForShards]:
    """Put the signals that the bus did not bring in front of those that it did.

    What a shard has planned already falls away.
    """
    whole: list[SignalForShards] = []
    last: dict[tuple[int, str], int] = {}
    for signal, shards in signals:
        behind: dict[int, int] = {}
        new: list[int] = []
        for shard in shards:
            key = (shard, signal.master_id)
            known = last.get(key, followers.planned_until(shard, signal))
            if signal.seq <= known:
                continue
            new.append(shard)
            last[key] = signal.seq
            if known + 1 < signal.seq:
                behind[shard] = known
        if behind:
            whole += await _missing(signal, behind, sources)
        if new:
            whole.append((signal, new))
    return whole


async def missed_by(
    follows: Iterable[Follow], followers: Followers, sources: Sources
) -> list[tuple[Signal, Follow]]:
    """Find entries still alive that were planned before these follows were known here."""
    planned_until = {follow: _last_planned(follow, followers) for follow in follows}
    behind = [follow for follow, last in planned_until.items() if last > follow.from_seq]
    if not behind:
        return []
    live = await sources.live_signals(sorted({follow.master_id for follow in behind}))
    return [
        (signal, follow)
        for signal in live
        for follow in behind
        if signal.action is SignalAction.PLACE
        and signal.strategy_id == follow.strategy_id
        and follow.covers(signal.seq)
        and signal.seq <= planned_until[follow]
    ]


async def _missing(
    signal: Signal, behind: dict[int, int], sources: Sources
) -> list[SignalForShards]:
    missing = await sources.emitted(signal.master_id, after=min(behind.values()), before=signal.seq)
    log.warning("signals_refilled", master_id=signal.master_id, count=len(missing))
    return [
        (missed, sorted(shard for shard, known in behind.items() if known < missed.seq))
        for missed in missing
    ]


def _last_planned(follow: Follow, followers: Followers) -> int:
    shard = shard_of(follow.account_id, followers.partitions)
    return followers.planned.get((shard, follow.master_id), 0)
