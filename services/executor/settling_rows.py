"""SQL of orders in doubt: which are due for a look, what a look found, what was decided."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

import asyncpg

from libs.runtime.outbox import OutboxMessage, enqueue
from libs.trading.states import OrderState
from services.executor.evidence import Doubt
from services.executor.recording import Moved, after, locked, write
from services.executor.rows import Change, Holding

_LIMIT = 2_000

_DOUBTS = """
SELECT order_id, version, account_id, client_order_id, deadline, looks, changed_at,
    clock_timestamp() AS now
FROM executor.orders
WHERE broker = $1 AND shard = ANY($2::int[]) AND state = 'UNKNOWN'
    AND due_at <= clock_timestamp()
ORDER BY due_at LIMIT $3
"""

_LOOKED = """
UPDATE executor.orders o SET looks = o.looks + new.looked::int,
    due_at = clock_timestamp() + make_interval(secs => new.due_in_s)
FROM unnest($1::uuid[], $2::int[], $3::bool[], $4::float8[])
    AS new (order_id, version, looked, due_in_s)
WHERE o.order_id = new.order_id AND o.version = new.version AND o.state = 'UNKNOWN'
"""


@dataclass(frozen=True, slots=True)
class DoubtRows:
    """`holding` tells the leases of this moment; `on_change` hears of every transition."""

    pool: asyncpg.Pool
    broker: str
    holding: Callable[[], Holding]
    notices_of: Callable[[Sequence[Moved]], Sequence[OutboxMessage]]
    on_change: Sequence[Callable[[], None]]

    async def due(self) -> list[tuple[Doubt, datetime]]:
        """List orders in UNKNOWN whose next look is due, each with the database's time."""
        shards = list(self.holding().epochs)
        rows = await self.pool.fetch(_DOUBTS, self.broker, shards, _LIMIT) if shards else []
        return [(_doubt(row), row["now"]) for row in rows]

    async def note_looks(self, looks: Sequence[tuple[Doubt, bool, float]]) -> None:
        """Count looks that found nothing and plan the next; no transition."""
        if looks:
            await self.pool.execute(
                _LOOKED,
                [doubt.order_id for doubt, _, _ in looks],
                [doubt.version for doubt, _, _ in looks],
                [looked for _, looked, _ in looks],
                [due_in_s for _, _, due_in_s in looks],
            )

    async def decide(self, doubt: Doubt, change: Change) -> None:
        """Move an order out of UNKNOWN, if it still stands there."""
        async with self.pool.acquire() as connection, connection.transaction():
            rows, _ = await locked(connection, [doubt.order_id])
            row = rows.get(doubt.order_id)
            if row is None or row.state is not OrderState.UNKNOWN or row.version != doubt.version:
                return
            moved = Moved(row=after(row, change), source=row.state, change=change)
            await write(connection, [moved])
            await enqueue(connection, "executor", self.notices_of([moved]))
        for tell in self.on_change:
            tell()


def _doubt(row: asyncpg.Record) -> Doubt:
    return Doubt(
        order_id=row["order_id"],
        version=row["version"],
        account_id=row["account_id"],
        client_order_id=row["client_order_id"],
        deadline=row["deadline"],
        looks=row["looks"],
        changed_at=row["changed_at"],
    )
