"""SQL of the shard leases: Kafka proposes who serves a shard, the lease decides (decision 0001)."""

from collections.abc import Sequence
from dataclasses import dataclass

import asyncpg

_ACQUIRE = """
INSERT INTO executor.shard_leases AS l (broker, shard, owner, until)
SELECT $1, shard, $3, clock_timestamp() + make_interval(secs => $4)
FROM unnest($2::int[]) AS shard ORDER BY shard
ON CONFLICT (broker, shard) DO UPDATE
    SET owner = excluded.owner, epoch = l.epoch + 1, until = excluded.until
    WHERE l.until < clock_timestamp() OR l.owner = excluded.owner
RETURNING shard, epoch
"""
_RENEW = """
UPDATE executor.shard_leases l SET until = clock_timestamp() + make_interval(secs => $5)
FROM unnest($2::int[], $3::bigint[]) AS held (shard, epoch)
WHERE l.broker = $1 AND l.shard = held.shard AND l.epoch = held.epoch AND l.owner = $4
    AND l.until > clock_timestamp()
RETURNING l.shard
"""
_RELEASE = """
UPDATE executor.shard_leases l SET until = clock_timestamp()
FROM unnest($2::int[], $3::bigint[]) AS held (shard, epoch)
WHERE l.broker = $1 AND l.shard = held.shard AND l.epoch = held.epoch AND l.owner = $4
"""


@dataclass(frozen=True, slots=True)
class Leases:
    pool: asyncpg.Pool
    broker: str
    owner: str
    lease_s: float

    async def acquire(self, shards: Sequence[int]) -> dict[int, int]:
        """Take the leases that are free or already ours; return shard -> epoch."""
        rows = await self.pool.fetch(_ACQUIRE, self.broker, shards, self.owner, self.lease_s)
        return {row["shard"]: row["epoch"] for row in rows}

    async def renew(self, epochs: dict[int, int]) -> set[int]:
        """Renew what still is ours; return those shards."""
        rows = await self.pool.fetch(
            _RENEW, self.broker, list(epochs), list(epochs.values()), self.owner, self.lease_s
        )
        return {row["shard"] for row in rows}

    async def release(self, epochs: dict[int, int]) -> None:
        await self.pool.execute(
            _RELEASE, self.broker, list(epochs), list(epochs.values()), self.owner
        )
