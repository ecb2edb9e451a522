"""Publishes the order history of the owned shards as order-events.v1, at least once, in order.

The history is its own outbox: nothing is written twice on the order path. A cursor per shard names
the first transaction that is not published yet; only transactions below Postgres's oldest running
one are read, so that a late commit is never skipped.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import asyncpg
import structlog

from libs.contracts import codec, topics
from libs.runtime.outbox import BusUnavailable, NotPublishable, OutboxMessage, Publishes
from libs.runtime.postgres import UNREACHABLE
from services.executor.repository import changed_of
from services.executor.rush import Rush

log = structlog.get_logger()

_ROWS_MAX = 2_000

_START = """
INSERT INTO executor.published (broker, shard, before) VALUES ($1, $2, '0') ON CONFLICT DO NOTHING
"""
# The end of the next stretch: whole transactions only, about `_ROWS_MAX` rows.
_STRETCH = """
SELECT before::text AS start, coalesce(
    (SELECT h.change_id::text::bigint + 1 FROM executor.order_history h
        WHERE h.broker = p.broker AND h.shard = p.shard AND h.change_id >= p.before
            AND h.change_id < pg_snapshot_xmin(pg_current_snapshot())
        ORDER BY h.change_id OFFSET $3 LIMIT 1),
    pg_snapshot_xmin(pg_current_snapshot())::text::bigint)::text AS stop
FROM executor.published p WHERE broker = $1 AND shard = $2
"""
_READ = """
SELECT h.order_id, h.version, h.change_id::text::bigint AS change_id, h.at, h.state, h.reason,
    h.message, h.filled_quantity, h.average_price, h.broker_order_id, h.order_type, h.quantity,
    h.limit_price, h.trigger_price, h.sent_at, o.signal_id, o.strategy_id, o.follow_id,
    o.master_id, o.user_id, o.account_id, o.broker, o.client_order_id, o.instrument, o.side,
    o.product, o.planned_at, o.accepted_at, o.environment, o.action, o.retry_of,
    o.figures, o.acknowledged_at, o.filled_at
FROM executor.order_history h JOIN executor.orders o USING (order_id)
WHERE h.broker = $1 AND h.shard = $2 AND h.change_id >= $3::text::xid8
    AND h.change_id < $4::text::xid8
ORDER BY h.change_id, h.order_id, h.version
"""
_ADVANCE = """
UPDATE executor.published SET before = $3::text::xid8
WHERE broker = $1 AND shard = $2 AND before < $3::text::xid8
"""


@dataclass(slots=True)
class HistoryPublisher:
    """`shards` tells which shards are ours at this moment."""

    pool: asyncpg.Pool
    publisher: Publishes
    broker: str
    shards: Callable[[], Sequence[int]]
    rush: Rush = field(default_factory=Rush)
    poll_s: float = 1.0
    _woken: asyncio.Event = field(default_factory=asyncio.Event)

    def wake(self) -> None:
        self._woken.set()

    async def run(self) -> None:
        """Publish for ever; wait with backoff while the bus or Postgres is away."""
        failures = 0
        while True:
            try:
                self._woken.clear()
                for shard in self.shards():
                    await self.rush.over()
                    await self.publish_shard(shard)
                failures = 0
            except (BusUnavailable, NotPublishable, asyncpg.PostgresError, *UNREACHABLE) as error:
                failures += 1
                log.warning("order_events_wait", failures=failures, error=str(error))
                await asyncio.sleep(min(0.2 * 2**failures, 5))
                continue
            await self._rest()

    async def publish_shard(self, shard: int) -> int:
        """Publish what is new in one shard; return how many events that were."""
        await self.pool.execute(_START, self.broker, shard)
        stretch = await self.pool.fetchrow(_STRETCH, self.broker, shard, _ROWS_MAX)
        if stretch is None:
            return 0
        rows = await self.pool.fetch(_READ, self.broker, shard, stretch["start"], stretch["stop"])
        if rows:
            await self.publisher.publish_many([_message(row, shard) for row in rows])
            await self.pool.execute(_ADVANCE, self.broker, shard, stretch["stop"])
        if len(rows) > _ROWS_MAX:
            self._woken.set()
        return len(rows)

    async def _rest(self) -> None:
        try:
            async with asyncio.timeout(self.poll_s):
                await self._woken.wait()
        except TimeoutError:
            return
        # Let a burst gather: people see no difference, and one batch costs less than twenty.
        await asyncio.sleep(0.03)


def _message(row: asyncpg.Record, shard: int) -> OutboxMessage:
    return OutboxMessage(
        topic=topics.ORDER_EVENTS,
        key=row["account_id"],
        partitions=(shard,),
        payload=codec.encode(changed_of(row, at=row["at"])),
        headers={"signal_id": row["signal_id"]},
    )
