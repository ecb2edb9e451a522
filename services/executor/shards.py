"""Which shards this replica serves: assigned by Kafka, loaded from Postgres, held by lease."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field

import asyncpg
import structlog
from aiokafka import ConsumerRebalanceListener, TopicPartition
from prometheus_client import Gauge

from libs.contracts import topics
from libs.runtime.postgres import UNREACHABLE
from services.executor.leases import Leases

log = structlog.get_logger()

OWNED = Gauge("lockstep_executor_shards", "Shards whose lease this replica holds.")
TROUBLE = (asyncpg.PostgresError, *UNREACHABLE)

_TRY_AGAIN_S = 0.3


@dataclass(slots=True)
class OwnedShards(ConsumerRebalanceListener):
    """`load` fills the memory for shards, `forget` empties it.

    A shard is served once it is loaded *and* its lease is ours. Planning needs the first only:
    the inbox keeps two planners apart.
    """

    leases: Leases
    load: Callable[[Sequence[int]], Awaitable[None]]
    forget: Callable[[Iterable[int]], None]
    assigned: set[int] = field(default_factory=set)
    epochs: dict[int, int] = field(default_factory=dict)
    # When Kafka last assigned, by `time.monotonic()`.
    assigned_at: float = 0.0
    _loaded: set[int] = field(default_factory=set)
    _loading: set[int] = field(default_factory=set)
    _changed: asyncio.Condition = field(default_factory=asyncio.Condition)

    @property
    def settled(self) -> bool:
        """Whether what Kafka gave us is loaded and leased."""
        return bool(self.assigned) and self.epochs.keys() == self.assigned

    def mine(self) -> list[int]:
        return sorted(self.epochs)

    async def on_partitions_revoked(self, revoked: Iterable[TopicPartition]) -> None:
        """Give the leases back before anyone else is told to serve these shards."""
        await self._drop({partition.partition for partition in revoked})

    async def _drop(self, gone: set[int]) -> None:
        self.assigned -= gone
        self._loaded -= gone
        self._loading -= gone
        lost = {shard: epoch for shard, epoch in self.epochs.items() if shard in gone}
        for shard in lost:
            del self.epochs[shard]
        self.forget(gone)
        OWNED.set(len(self.epochs))
        try:
            await self.leases.release(lost)
        except TROUBLE as error:
            # They run out by themselves.
            log.warning("leases_not_released", shards=sorted(lost), error=str(error))

    async def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        self.assigned_at = time.monotonic()
        partitions = list(assigned)
        by_topic = {
            topic: {item.partition for item in partitions if item.topic == topic}
            for topic in topics.EXECUTOR_INPUT
        }
        # What was taken while nobody assigned goes back first.
        await self._drop(self.assigned - by_topic[topics.SIGNALS])
        self.assigned = by_topic[topics.SIGNALS]
        if any(shards != self.assigned for shards in by_topic.values()):
            log.error("partitions_split", assigned={k: sorted(v) for k, v in by_topic.items()})
        log.info("shards_assigned", shards=sorted(self.assigned))

    async def ready(self, shards: Iterable[int]) -> bool:
        """Wait until these shards are loaded; False when they were taken away meanwhile."""
        wanted = set(shards)
        async with self._changed:
            await self._changed.wait_for(
                lambda: self._loaded >= wanted or not self.assigned >= wanted
            )
        return self._loaded >= wanted

    async def keep(self) -> None:
        """Load what is newly assigned, take and renew leases, for ever."""
        renew_every_s = self.leases.lease_s / 3
        renewed_at = 0.0
        while True:
            now = asyncio.get_running_loop().time()
            try:
                await self._load_new()
                if now - renewed_at >= renew_every_s:
                    await self._renew()
                    renewed_at = now
                await self._take_missing()
            except TROUBLE as error:
                log.warning("leases_wait", error=str(error))
            await asyncio.sleep(_TRY_AGAIN_S if self.epochs.keys() != self.assigned else 0.1)

    async def take_free(self, shards: Iterable[int], *, silent_since: float) -> None:
        """Without Kafka nobody assigns: serve what nobody serves any more.

        Not when Kafka has assigned since: what it gave to others is theirs, free for a moment or
        not, and nobody would take it from us again.
        """
        others = [shard for shard in shards if shard not in self.assigned]
        if not others or self.assigned_at > silent_since:
            return
        taken = await self.leases.acquire(others)
        if self.assigned_at > silent_since:
            await self.leases.release(taken)
        elif taken:
            log.warning("free_shards_taken", shards=sorted(taken))
            self.assigned |= taken.keys()
            # From here on `_drop` gives them back.
            self.epochs |= taken

    async def give_up(self) -> None:
        """Release whatever is still held: this replica stops."""
        epochs, self.epochs = self.epochs, {}
        try:
            await self.leases.release(epochs)
        except TROUBLE as error:
            log.warning("leases_not_released", shards=sorted(epochs), error=str(error))

    async def _load_new(self) -> None:
        new = self.assigned - self._loaded
        if new:
            self._loading = set(new)
            await self.load(sorted(new))
            # What went meanwhile is half in memory: when it is ours again, it is loaded anew.
            self.forget(new - self._loading)
            self._loaded |= self._loading
        async with self._changed:
            self._changed.notify_all()

    async def _renew(self) -> None:
        if not self.epochs:
            return
        kept = await self.leases.renew(self.epochs)
        for shard in [shard for shard in self.epochs if shard not in kept]:
            log.warning("lease_lost", shard=shard)
            self.epochs.pop(shard, None)
        OWNED.set(len(self.epochs))

    async def _take_missing(self) -> None:
        missing = (self.assigned & self._loaded) - self.epochs.keys()
        if not missing:
            return
        taken = await self.leases.acquire(sorted(missing))
        still_mine = {shard: epoch for shard, epoch in taken.items() if shard in self.assigned}
        self.epochs |= still_mine
        OWNED.set(len(self.epochs))
        if still_mine:
            log.info("shards_taken", shards=sorted(still_mine))
