"""A bus of one log per shard, at least once: a consumer group, offsets, rebalances, repeats."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from libs.contracts import topics
from libs.contracts.codec import Event, Record
from libs.trading.accounts import Account
from libs.trading.events import BrokerUpdate
from libs.trading.follows import Follow

_BATCH_MAX = 10


@dataclass(slots=True)
class BusInMemory:
    """`generation` grows with every rebalance; who missed one may commit nothing."""

    shards: range
    now: Callable[[], datetime]
    logs: dict[int, list[Event]] = field(init=False)
    committed: dict[int, int] = field(init=False)
    generation: int = 0
    # When the group was through with the first record of each follow.
    heard_at: dict[str, datetime] = field(default_factory=dict)
    _listeners: list[Callable[[], None]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.logs = {shard: [] for shard in self.shards}
        self.committed = dict.fromkeys(self.shards, 0)

    def append(self, shard: int, event: Event) -> None:
        self.logs[shard].append(event)
        for tell in self._listeners:
            tell()

    def listen(self, tell: Callable[[], None]) -> None:
        self._listeners.append(tell)


@dataclass(slots=True)
class Consumer:
    """One member of the group: reads its shards from where the group stands, commits behind."""

    bus: BusInMemory
    process: asyncio.AbstractEventLoop
    generation: int = -1
    positions: dict[int, int] = field(default_factory=dict)
    _woken: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.bus.listen(self.wake)

    def wake(self) -> None:
        self.process.call_soon_threadsafe(self._woken.set)

    def assign(self, shards: set[int]) -> None:
        self.generation = self.bus.generation
        self.positions = {shard: self.bus.committed[shard] for shard in shards}
        self.wake()

    def revoke(self) -> None:
        self.positions = {}

    async def fetch(self) -> list[Record]:
        while True:
            records = [
                Record(topic=_topic(event), partition=shard, offset=offset, event=event)
                for shard, position in self.positions.items()
                for offset, event in enumerate(self.bus.logs[shard][position:], start=position)
            ]
            if records:
                return records[:_BATCH_MAX]
            self._woken.clear()
            await self._woken.wait()

    def done(self, records: list[Record]) -> None:
        """Acknowledge a batch; nothing happens where the group has moved on without us."""
        for record in records:
            shard, after = record.partition, record.offset + 1
            if isinstance(record.event, Follow):
                self.bus.heard_at.setdefault(record.event.follow_id, self.bus.now())
            if shard in self.positions:
                self.positions[shard] = max(self.positions[shard], after)
                if self.generation == self.bus.generation:
                    self.bus.committed[shard] = max(self.bus.committed[shard], after)


def _topic(event: Event) -> str:
    match event:
        case Follow():
            return topics.FOLLOW_EVENTS
        case Account():
            return topics.SESSION_EVENTS
        case BrokerUpdate():
            return topics.BROKER_UPDATES
        case _:
            return topics.SIGNALS
