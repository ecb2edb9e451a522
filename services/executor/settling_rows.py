"""SQL of what is in doubt: orders without an outcome, changes whose answer was lost."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

import asyncpg

from libs.runtime.outbox import OutboxMessage, enqueue
from libs.trading.orders import OrderReport, OrderTerms, Product, Side
from libs.trading.states import OrderState
from services.executor.evidence import Doubt
from services.executor.recording import Connection, Moved, after, locked, write
from services.executor.rows import Change, Holding, terms_of
from services.executor.statements import HISTORY_OF_MOVED

_ACCOUNTS_MAX = 500
_COMPARE_AGAIN_S = 5.0

# All doubts of an account come together: one read of its book serves them all.
_DOUBTS = """
WITH due AS (
    SELECT account_id FROM executor.orders
    WHERE broker = $1 AND shard = ANY($2::int[]) AND state = 'UNKNOWN'
        AND due_at <= clock_timestamp()
    GROUP BY account_id ORDER BY min(due_at) LIMIT $3
)
SELECT order_id, version, account_id, client_order_id, instrument, side, product, order_type,
    quantity, limit_price, trigger_price, coalesce(sent_at, planned_at) AS sent_at,
    coalesce(deadline, changed_at) AS deadline, looks, changed_at, state <> 'UNKNOWN' AS parked,
    clock_timestamp() AS now
FROM executor.orders JOIN due USING (account_id)
WHERE broker = $1 AND (state = 'UNKNOWN' OR state = 'NEEDS_ATTENTION' AND broker_order_id IS NULL)
"""

_LOOKED = """
UPDATE executor.orders o
SET looks = CASE WHEN new.reset THEN 0 ELSE o.looks + new.looked::int END,
    due_at = clock_timestamp() + make_interval(secs => new.due_in_s)
FROM unnest($1::uuid[], $2::int[], $3::bool[], $4::bool[], $5::float8[])
    AS new (order_id, version, looked, reset, due_in_s)
WHERE o.order_id = new.order_id AND o.version = new.version AND o.state = 'UNKNOWN'
"""

_WATCH = """
INSERT INTO executor.watched_orders (order_id, account_id, broker, shard)
SELECT order_id, account_id, broker, shard FROM executor.orders WHERE order_id = $1
ON CONFLICT (order_id) DO UPDATE
    SET since = clock_timestamp(), appeared_at = NULL, ended_at = NULL
"""

# Sent before, answer unknown, and not compared with the order since.
_UNSURE_CHANGES = """
SELECT c.order_id, c.n, o.account_id, o.broker_order_id, c.order_type, c.quantity, c.limit_price,
    c.trigger_price, c.changed_at
FROM executor.commands c JOIN executor.orders o USING (order_id)
WHERE c.broker = $1 AND c.shard = ANY($2::int[]) AND c.state = 'DUE' AND c.kind = 'MODIFY'
    AND c.attempts > 0 AND (c.compared_at IS NULL OR c.compared_at <= c.changed_at)
    AND c.due_at <= clock_timestamp()
    AND o.state IN ('ACKED', 'OPEN', 'PARTIAL')
"""

_COMPARE_LATER = """
UPDATE executor.commands c SET due_at = clock_timestamp() + make_interval(secs => $3)
FROM unnest($1::uuid[], $2::int[]) AS later (order_id, n)
WHERE c.order_id = later.order_id AND c.n = later.n AND c.state = 'DUE'
"""

_COMPARED = """
UPDATE executor.commands SET compared_at = clock_timestamp()
WHERE order_id = $1 AND n = $2 AND state = 'DUE' AND changed_at = $3
"""

_TAKEN_AFTER_ALL = f"""
WITH done AS (
    UPDATE executor.commands c SET state = 'DONE', message = 'the book shows the new terms',
        changed_at = clock_timestamp()
    WHERE c.order_id = $1 AND c.n = $2 AND c.state = 'DUE' AND c.changed_at = $3
    RETURNING c.*
), moved AS (
    UPDATE executor.orders o SET order_type = done.order_type, quantity = done.quantity,
        limit_price = done.limit_price, trigger_price = done.trigger_price,
        version = o.version + 1, changed_at = clock_timestamp(), change_id = pg_current_xact_id()
    FROM done WHERE o.order_id = done.order_id AND o.state IN ('ACKED', 'OPEN', 'PARTIAL')
    RETURNING o.*
), history AS ({HISTORY_OF_MOVED})
SELECT count(*) FROM moved
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class UnsureChange:
    """A MODIFY that was sent, and of which nobody knows whether it was taken."""

    order_id: str
    command: int
    account_id: str
    broker_order_id: str
    terms: OrderTerms
    changed_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """A look that decided nothing: whether it counts, and when the next one is due."""

    doubt: Doubt
    looked: bool
    reset: bool
    due_in_s: float


@dataclass(frozen=True, slots=True)
class DoubtRows:
    """`holding` tells the leases of this moment; `on_change` hears of every transition."""

    pool: asyncpg.Pool
    broker: str
    holding: Callable[[], Holding]
    notices_of: Callable[[Sequence[Moved]], Sequence[OutboxMessage]]
    on_change: Sequence[Callable[[], None]]

    async def due(self) -> list[tuple[Doubt, datetime]]:
        """List what is in doubt in accounts whose next look is due, with the database's time."""
        shards = list(self.holding().epochs)
        if not shards:
            return []
        rows = await self.pool.fetch(_DOUBTS, self.broker, shards, _ACCOUNTS_MAX)
        return [(_doubt(row), row["now"]) for row in rows]

    async def unsure_changes(self) -> list[UnsureChange]:
        shards = list(self.holding().epochs)
        rows = await self.pool.fetch(_UNSURE_CHANGES, self.broker, shards) if shards else []
        return [_unsure(row) for row in rows]

    async def note_looks(self, looks: Sequence[Look]) -> None:
        """Count looks that found nothing and plan the next; no transition."""
        if looks:
            await self.pool.execute(
                _LOOKED,
                [look.doubt.order_id for look in looks],
                [look.doubt.version for look in looks],
                [look.looked for look in looks],
                [look.reset for look in looks],
                [look.due_in_s for look in looks],
            )

    async def compared(self, change: UnsureChange, report: OrderReport) -> None:
        """Close a change that the book shows as taken; let any other one be sent again."""
        taken = report.terms == change.terms
        await self.pool.execute(
            _TAKEN_AFTER_ALL if taken else _COMPARED,
            change.order_id,
            change.command,
            change.changed_at,
        )
        if taken:
            self._tell()

    async def compare_later(self, changes: Sequence[UnsureChange]) -> None:
        """Look at these again after a while: their order could not be read."""
        if changes:
            await self.pool.execute(
                _COMPARE_LATER,
                [change.order_id for change in changes],
                [change.command for change in changes],
                _COMPARE_AGAIN_S,
            )

    async def decide(self, doubt: Doubt, change: Change) -> None:
        """Move an order out of UNKNOWN, if it still stands there."""
        await self.move(doubt.order_id, doubt.version, change)

    async def move(self, order_id: str, version: int, change: Change) -> bool:
        """Write one transition by compare-and-set; False when the order has moved meanwhile."""
        async with self.pool.acquire() as connection, connection.transaction():
            rows, _ = await locked(connection, [order_id])
            row = rows.get(order_id)
            if row is None or row.version != version:
                return False
            moved = Moved(row=after(row, change), source=row.state, change=change)
            await write(connection, [moved])
            if change.state is OrderState.NOT_PLACED:
                await watch(connection, order_id)
            await enqueue(connection, "executor", self.notices_of([moved]))
        self._tell()
        return True

    def _tell(self) -> None:
        for tell in self.on_change:
            tell()


async def watch(connection: Connection, order_id: str) -> None:
    """Look for an order that counts as not placed in every later book of the day."""
    await connection.execute(_WATCH, order_id)


def _doubt(row: asyncpg.Record) -> Doubt:
    return Doubt(
        order_id=row["order_id"],
        version=row["version"],
        account_id=row["account_id"],
        client_order_id=row["client_order_id"],
        instrument=row["instrument"],
        side=Side(row["side"]),
        product=Product(row["product"]),
        terms=terms_of(row),
        sent_at=row["sent_at"],
        deadline=row["deadline"],
        looks=row["looks"],
        changed_at=row["changed_at"],
        parked=row["parked"],
    )


def _unsure(row: asyncpg.Record) -> UnsureChange:
    return UnsureChange(
        order_id=row["order_id"],
        command=row["n"],
        account_id=row["account_id"],
        broker_order_id=row["broker_order_id"],
        terms=terms_of(row),
        changed_at=row["changed_at"],
    )
