"""Going on without Kafka: what it did not bring is read from Postgres, free shards are taken.

Runs beside a healthy bus too: a record that was lost is planned within seconds, whoever lost it.
"""

import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import structlog

from libs.contracts import topics
from libs.contracts.codec import Record
from libs.trading.signals import Signal
from services.executor.followers import Followers
from services.executor.shards import OwnedShards
from services.executor.watching import Figures, Recently

log = structlog.get_logger()

# What is younger may still be on its way over a healthy bus.
_BUS_GRACE_S = 2.0
_LOOK_BACK_S = 60.0


class Emitted(Protocol):
    async def accepted_lately(
        self, shards: Sequence[int], *, within_s: float, before_s: float
    ) -> list[Signal]: ...

    async def not_planned(self, shards: Sequence[int]) -> list[Signal]: ...


@dataclass(slots=True)
class WithoutKafka:
    """`bus_ready` asks Kafka; after `away_after_s` without an answer it counts as away."""

    bus_ready: Callable[[], Awaitable[bool]]
    emitted: Emitted
    followers: Followers
    shards: OwnedShards
    plan: Callable[[Sequence[Record]], Awaitable[bool]]
    refilled: Recently
    away_after_s: float = 3.0
    _answered_at: float = 0.0
    _is_away: bool = False

    def away(self) -> Figures | None:
        """Give the figures of KAFKA_AWAY while it stands."""
        if not self._is_away:
            return None
        return {"for_s": f"{time.monotonic() - self._answered_at:.0f}"}

    async def ask(self) -> None:
        """Ask whether Kafka answers."""
        now = time.monotonic()
        is_ready = await self.bus_ready()
        if is_ready or not self._answered_at:
            self._answered_at = now
        # Who assigns shards is there, whatever the question came to.
        self._answered_at = max(self._answered_at, self.shards.assigned_at)
        self._is_away = not is_ready and now - self._answered_at >= self.away_after_s

    async def read(self) -> None:
        """Plan what the bus did not bring."""
        if self._is_away:
            await self.shards.take_free(
                range(self.followers.partitions), silent_since=self._answered_at
            )
        mine = self.shards.mine()
        if not mine:
            return
        if self._is_away:
            found = await self.emitted.not_planned(mine)
        else:
            found = await self.emitted.accepted_lately(
                mine, within_s=_LOOK_BACK_S, before_s=_BUS_GRACE_S
            )
        records = [
            Record(topic=topics.SIGNALS, partition=shard, offset=-1, event=signal)
            for signal in found
            for shard in mine
            if self._missed(signal, shard)
        ]
        if not records:
            return
        log.warning("signals_read_from_the_database", records=len(records), away=self._is_away)
        self.refilled.note(records=str(len(records)))
        await self.plan(records)

    def _missed(self, signal: Signal, shard: int) -> bool:
        known = (shard, signal.master_id) in self.followers.planned
        return (
            known or bool(self.followers.following(signal, shard))
        ) and self.followers.planned_until(shard, signal) < signal.seq
