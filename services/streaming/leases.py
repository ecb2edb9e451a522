"""Which shards this replica holds: leases of 6 s, renewed every 2 s, spread evenly over replicas.

A lease here saves brokers a second line per account; it guards no money. So while Postgres cannot
be asked the feeds go on: two lines to one account only say everything twice.
"""

import zlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import structlog

from services.streaming import metrics

log = structlog.get_logger()

Shard = tuple[str, int]


class LeaseTable(Protocol):
    async def heartbeat(self, owner: str, alive_s: float) -> list[str]:
        """Note that `owner` lives; return every replica that does."""

    async def renew(self, owner: str, lease_s: float) -> dict[Shard, int]:
        """Prolong what `owner` holds; return it with its epochs."""

    async def take(
        self, owner: str, broker: str, *, partitions: int, count_max: int, lease_s: float
    ) -> dict[Shard, int]:
        """Take free or expired shards of one broker, at most so many."""

    async def release(self, owner: str, shards: Sequence[Shard]) -> None: ...

    async def leave(self, owner: str) -> None: ...


def fair_share(owner: str, live: Sequence[str], partitions: int, broker: str) -> int:
    """How many shards of a broker this replica should hold; all shares together are all shards.

    The remainder goes to other replicas for another broker, so that nobody is first everywhere.
    """
    everyone = sorted({*live, owner})
    turn = (everyone.index(owner) + zlib.crc32(broker.encode())) % len(everyone)
    each, left_over = divmod(partitions, len(everyone))
    return each + (turn < left_over)


@dataclass(slots=True, kw_only=True)
class LeaseKeeper:
    table: LeaseTable
    owner: str
    brokers: Sequence[str]
    partitions: int
    on_change: Callable[[Mapping[Shard, int]], Awaitable[None]]
    lease_s: float = 6.0
    owned: dict[Shard, int] = field(default_factory=dict)

    async def step(self) -> None:
        """Renew, give up what is too much, take what is free; tell whoever serves the shards."""
        live = await self.table.heartbeat(self.owner, self.lease_s)
        owned = await self.table.renew(self.owner, self.lease_s)
        await self._change(owned)
        for broker in self.brokers:
            held = sorted(shard for shard in self.owned if shard[0] == broker)
            share = fair_share(self.owner, live, self.partitions, broker)
            if len(held) > share:
                await self._give_up(held[share:])
            elif len(held) < share:
                await self._take(broker, share - len(held))

    async def leave(self) -> None:
        """For a clean stop, after the feeds are closed: others may take over at once."""
        await self.table.leave(self.owner)
        log.info("leases_released", count=len(self.owned))

    async def _take(self, broker: str, count_max: int) -> None:
        taken = await self.table.take(
            self.owner,
            broker,
            partitions=self.partitions,
            count_max=count_max,
            lease_s=self.lease_s,
        )
        await self._change({**self.owned, **taken})

    async def _give_up(self, shards: Sequence[Shard]) -> None:
        # Lines first, leases second: the next owner must not meet ours at the broker.
        await self._change({s: epoch for s, epoch in self.owned.items() if s not in shards})
        await self.table.release(self.owner, shards)

    async def _change(self, owned: dict[Shard, int]) -> None:
        if owned == self.owned:
            return
        log.info("shards_changed", owned=[f"{broker}/{shard}" for broker, shard in sorted(owned)])
        self.owned = owned
        for broker in self.brokers:
            metrics.SHARDS.labels(broker).set(sum(shard[0] == broker for shard in owned))
        await self.on_change(owned)
