"""Millions of orders of the past, written inside PostgreSQL into the product's own tables.

Each row is a real row's copy with its names and times changed, so columns that are added later need
no change here. The orders are finished, belong to the accounts that are measured and to strategies
of the past (one in fifty: to the measured one), and carry an old change id: nobody acts on them or
publishes them again.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field

import asyncpg

_SLICE = 50_000
_PARALLEL = 2
_TIMEOUT_S = 3600
# Grows with g, as the product's ids grow with time.
_ORDER_ID = "('0190' || lpad(to_hex(g), 8, '0') || '7000' || substr(md5('o' || g), 1, 16))::uuid"
_DAY_BEFORE = "clock_timestamp() - interval '30 days' + g * interval '0.4 seconds'"
_OLD_CHANGE = "'3'::xid8"

_ORDERS: Mapping[str, str] = {
    "order_id": _ORDER_ID,
    "client_order_id": "'o' || substr(md5('tag' || g), 1, 14)",
    "signal_id": "md5('signal' || g / accounts.n)::uuid",
    "account_id": "account.account_id",
    "user_id": "account.user_id",
    "shard": "account.shard",
    "follow_id": "md5('follow' || g % accounts.n)::uuid",
    "strategy_id": "CASE g / accounts.n % 50 WHEN 0 THEN $3::uuid"
    " ELSE md5('strategy' || g / accounts.n % 50)::uuid END",
    "state": "'FILLED'",
    "version": "3",
    "filled_quantity": "pattern.quantity",
    "average_price": "812.50",
    "broker_order_id": "'B' || g",
    "accepted_at": _DAY_BEFORE,
    "expires_at": _DAY_BEFORE,
    "planned_at": _DAY_BEFORE,
    "sent_at": _DAY_BEFORE,
    "deadline": _DAY_BEFORE,
    "due_at": _DAY_BEFORE,
    "changed_at": _DAY_BEFORE,
    "change_id": _OLD_CHANGE,
}
_HISTORY: Mapping[str, str] = {
    "order_id": _ORDER_ID,
    "shard": "account.shard",
    "version": "v",
    "state": "(ARRAY['SENDING', 'ACKED', 'FILLED'])[v]",
    "filled_quantity": "CASE v WHEN 3 THEN pattern.quantity ELSE 0 END",
    "broker_order_id": "CASE WHEN v > 1 THEN 'B' || g END",
    "sent_at": _DAY_BEFORE,
    "at": _DAY_BEFORE,
    "change_id": _OLD_CHANGE,
}
_OBSERVATIONS: Mapping[str, str] = {
    "order_id": _ORDER_ID,
    "account_id": "account.account_id",
    "broker_order_id": "'B' || g",
    "received_at": _DAY_BEFORE,
    "recorded_at": _DAY_BEFORE,
}
_TABLES: Mapping[str, tuple[Mapping[str, str], int]] = {
    "orders": (_ORDERS, 1),
    "order_history": (_HISTORY, 3),
    "observations": (_OBSERVATIONS, 1),
}

_ACCOUNTS = """
CREATE TABLE IF NOT EXISTS bench.old_accounts (
    at int PRIMARY KEY, account_id uuid NOT NULL, user_id uuid NOT NULL, shard int NOT NULL);
TRUNCATE bench.old_accounts;
"""


async def order_tables(database: asyncpg.Pool | asyncpg.Connection) -> list[str]:
    """Name the tables that grow with orders: those that know an order_id, and their proofs."""
    rows = await database.fetch(
        """SELECT DISTINCT format('executor.%I', t.table_name) AS name
        FROM information_schema.columns c
        JOIN information_schema.tables t USING (table_schema, table_name)
        WHERE c.table_schema = 'executor' AND t.table_type = 'BASE TABLE'
            AND (c.column_name = 'order_id' OR t.table_name IN ('history_links', 'day_seals'))
        ORDER BY 1"""
    )
    return [row["name"] for row in rows]


@dataclass(slots=True)
class OldOrders:
    """Executors must not run meanwhile: for a while the tables have no index but their keys."""

    dsn: str
    account_ids: Sequence[str]
    strategy_id: str
    dropped: list[str] = field(default_factory=list)

    async def prepare(self) -> None:
        connection = await self._connect()
        try:
            await connection.execute(_ACCOUNTS)
            await connection.execute(
                """INSERT INTO bench.old_accounts
                SELECT wanted.at - 1, a.account_id, a.user_id,
                    (SELECT o.shard FROM executor.orders o
                    WHERE o.account_id = a.account_id LIMIT 1)
                FROM unnest($1::uuid[]) WITH ORDINALITY AS wanted (account_id, at)
                JOIN auth.broker_accounts a USING (account_id)""",
                self.account_ids,
            )
        finally:
            await connection.close()

    async def write(self, rows: int) -> AsyncIterator[int]:
        """Write that many orders with their history; yield how many each step has added."""
        connection = await self._connect()
        try:
            statements = [await _statement(connection, table) for table in _TABLES]
            await connection.execute("ALTER SYSTEM SET max_wal_size = '16GB'")
            await connection.execute("SELECT pg_reload_conf()")
            self.dropped += await _drop_indexes(connection)
        finally:
            await connection.close()
        starts = iter(range(0, rows, _SLICE))
        done: asyncio.Queue[int] = asyncio.Queue()

        async def writer() -> None:
            mine = await self._connect()
            try:
                for start in starts:
                    size = min(_SLICE, rows - start)
                    for statement in statements:
                        values = (start, size, self.strategy_id)[: 3 if "$3" in statement else 2]
                        await mine.execute(statement, *values, timeout=_TIMEOUT_S)
                    done.put_nowait(size)
            finally:
                await mine.close()

        async with asyncio.TaskGroup() as writers:
            for _ in range(_PARALLEL):
                writers.create_task(writer())
            written = 0
            while written < rows:
                size = await done.get()
                written += size
                yield size

    async def tidy(self) -> None:
        """Build the indexes again and leave a database that has rested: vacuumed, written out."""
        connection = await self._connect()
        try:
            await connection.execute("SET maintenance_work_mem = '1GB'")
            for definition in self.dropped:
                await connection.execute(definition, timeout=_TIMEOUT_S)
            for table in await order_tables(connection):
                await connection.execute(f"VACUUM ANALYZE {table}", timeout=_TIMEOUT_S)
            await connection.execute("ALTER SYSTEM RESET max_wal_size")
            await connection.execute("SELECT pg_reload_conf()")
            await connection.execute("CHECKPOINT", timeout=_TIMEOUT_S)
        finally:
            await connection.close()

    async def sizes(self) -> dict[str, str]:
        connection = await self._connect()
        try:
            rows = await connection.fetch(
                """SELECT relname, reltuples::bigint AS n,
                    pg_size_pretty(pg_total_relation_size(oid)) AS size
                FROM pg_class WHERE oid::regclass::text = ANY($1::text[])""",
                await order_tables(connection),
            )
        finally:
            await connection.close()
        return {row["relname"]: f"{row['n']} rows, {row['size']}" for row in rows}

    async def _connect(self) -> asyncpg.Connection:
        # No triggers and no foreign keys: what is written is consistent by construction.
        return await asyncpg.connect(
            self.dsn,
            server_settings={"session_replication_role": "replica", "synchronous_commit": "off"},
        )


async def _drop_indexes(connection: asyncpg.Connection) -> list[str]:
    """Drop every index that is no primary key; return what makes them again."""
    rows = await connection.fetch(
        """SELECT i.indrelid::regclass::text AS of, i.indexrelid::regclass::text AS index,
            c.conname AS unique,
            pg_get_constraintdef(c.oid) AS rule, pg_get_indexdef(i.indexrelid) AS definition
        FROM pg_index i LEFT JOIN pg_constraint c ON c.conindid = i.indexrelid
        WHERE i.indrelid::regclass::text = ANY($1::text[]) AND NOT i.indisprimary""",
        [f"executor.{table}" for table in _TABLES],
    )
    made = []
    for row in rows:
        if row["unique"] is None:
            await connection.execute(f"DROP INDEX {row['index']}")
            made.append(row["definition"])
        else:
            await connection.execute(f"ALTER TABLE {row['of']} DROP CONSTRAINT {row['unique']}")
            made.append(f"ALTER TABLE {row['of']} ADD CONSTRAINT {row['unique']} {row['rule']}")
    return made


async def _statement(connection: asyncpg.Connection, table: str) -> str:
    """Write the INSERT of one table over a series of numbers g (and versions v)."""
    changed, versions = _TABLES[table]
    found = await connection.fetch(
        """SELECT column_name AS name FROM information_schema.columns
        WHERE table_schema = 'executor' AND table_name = $1 AND is_generated = 'NEVER'
            AND is_identity = 'NO' ORDER BY ordinal_position""",
        table,
    )
    names = [row["name"] for row in found]
    values = [changed.get(name, f'pattern."{name}"') for name in names]
    columns = ", ".join(f'"{name}"' for name in names)
    # All from constants and the catalogue.
    return f"""
        INSERT INTO executor.{table} ({columns})
        SELECT {", ".join(values)}
        FROM generate_series($1::int, $1::int + $2::int - 1) AS g
        CROSS JOIN generate_series(1, {versions}) AS v
        CROSS JOIN (SELECT count(*)::int AS n FROM bench.old_accounts) AS accounts
        JOIN bench.old_accounts AS account ON account.at = g % accounts.n
        CROSS JOIN (SELECT * FROM executor.{table} WHERE order_id IS NOT NULL
            ORDER BY order_id DESC LIMIT 1) AS pattern
    """  # noqa: S608
