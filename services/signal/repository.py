"""SQL of the signal service: what is read, and strategies. Its other half holds a counter."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from weakref import WeakValueDictionary

import asyncpg

from libs.contracts import views
from libs.trading.accounts import Account
from libs.trading.signals import CopyMode, Signal
from services.signal.records import (
    Earlier,
    NameTaken,
    Standing,
    StoredFollow,
    Strategy,
    signal_from,
)
from services.signal.repository_counter import FOLLOW, CounterBook, one, stored_follow

_WAIT_S = 2
_TURN_S = 5
# One holds the counter, the next has its transaction open already.
_CONNECTIONS_PER_MASTER = 2
_STRATEGY = "strategy_id, master_id, name, description, equity, copy_mode, created_at, changed_at"


class SignalRepository:
    """Strategies, follows and signals in Postgres; away, it raises `postgres.UNREACHABLE`."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool
        self._lines: WeakValueDictionary[str, asyncio.Semaphore] = WeakValueDictionary()

    @asynccontextmanager
    async def locked(self, master_id: str) -> AsyncIterator[CounterBook | None]:
        """Hold the master's counter row in a transaction; None for who never had a strategy.

        Leaving the block commits; any error leaves no trace and no hole in `seq`.
        """
        async with (
            self._turn(master_id),
            self._pool.acquire(timeout=_WAIT_S) as connection,
            connection.transaction(),
        ):
            # The clock outside of the locking part is read once the lock is ours.
            row = await connection.fetchrow(
                """
                with held as (
                    select last_seq from signal.counters where master_id = $1 for update
                )
                select last_seq, clock_timestamp() as at from held
                """,
                master_id,
            )
            yield CounterBook(connection, row["last_seq"], row["at"]) if row else None

    @asynccontextmanager
    async def _turn(self, master_id: str) -> AsyncIterator[None]:
        """Let one master use few connections, so that their burst leaves some to the others."""
        line = self._lines.setdefault(master_id, asyncio.Semaphore(_CONNECTIONS_PER_MASTER))
        async with asyncio.timeout(_TURN_S):
            await line.acquire()
        try:
            yield
        finally:
            line.release()

    async def standing(
        self,
        master_id: str,
        *,
        strategy_id: str,
        idempotency_key: str,
        parent_signal_id: str | None,
    ) -> Standing:
        """Read what a request depends on. Only the key may change before the lock is taken."""
        async with self._pool.acquire(timeout=_WAIT_S) as connection:
            row = await one(
                connection,
                """
                select strategy.strategy_id is not null as owns_strategy, strategy.equity,
                    strategy.copy_mode, earlier.payload as earlier_payload,
                    earlier.request_hash as earlier_hash,
                    parent.payload as parent_payload
                from (select $1::uuid as master_id) asked
                left join signal.strategies strategy
                    on strategy.strategy_id = $2 and strategy.master_id = asked.master_id
                left join signal.signals earlier
                    on earlier.master_id = asked.master_id and earlier.idempotency_key = $3
                left join signal.signals parent
                    on parent.master_id = asked.master_id and parent.signal_id = $4
                """,
                master_id,
                strategy_id,
                idempotency_key,
                parent_signal_id,
            )
        earlier, parent = row["earlier_payload"], row["parent_payload"]
        return Standing(
            owns_strategy=row["owns_strategy"],
            equity=row["equity"],
            copy_mode=CopyMode(row["copy_mode"]) if row["copy_mode"] else None,
            earlier=Earlier(signal=signal_from(earlier), request_hash=row["earlier_hash"])
            if earlier
            else None,
            parent=signal_from(parent) if parent else None,
        )

    async def add_strategy(
        self,
        strategy_id: str,
        master_id: str,
        name: str,
        description: str,
        equity: Decimal | None = None,
        copy_mode: CopyMode = CopyMode.ORDERS,
    ) -> Strategy | None:
        """Create a strategy, and a master's counter with the first. None when the name is taken."""
        async with (
            self._pool.acquire(timeout=_WAIT_S) as connection,
            connection.transaction(),
        ):
            await connection.execute(
                "insert into signal.counters (master_id) values ($1) on conflict do nothing",
                master_id,
            )
            row = await connection.fetchrow(
                f"""
                insert into signal.strategies (strategy_id, master_id, name, description, equity,
                    copy_mode)
                values ($1, $2, $3, $4, $5, $6)
                on conflict (master_id, lower(name)) do nothing
                returning {_STRATEGY}
                """,  # noqa: S608  # constant
                strategy_id,
                master_id,
                name,
                description,
                equity,
                copy_mode,
            )
        return Strategy(**row) if row else None

    async def change_strategy(
        self,
        strategy_id: str,
        master_id: str,
        *,
        name: str | None,
        description: str | None,
        equity: Decimal | None,
    ) -> Strategy | None:
        """Change what is given; None when the master has no such strategy. Raise `NameTaken`."""
        try:
            row = await self._row(
                f"""
                update signal.strategies set name = coalesce($3, name),
                    description = coalesce($4, description), equity = coalesce($5, equity),
                    changed_at = clock_timestamp()
                where strategy_id = $1 and master_id = $2
                returning {_STRATEGY}
                """,  # noqa: S608  # constant
                strategy_id,
                master_id,
                name,
                description,
                equity,
            )
        except asyncpg.UniqueViolationError as error:
            raise NameTaken(name) from error
        return Strategy(**row) if row else None

    async def strategy(self, strategy_id: str) -> Strategy | None:
        row = await self._row(
            f"select {_STRATEGY} from signal.strategies where strategy_id = $1",  # noqa: S608  # constant
            strategy_id,
        )
        return Strategy(**row) if row else None

    async def strategies(self, *, before: str | None, limit: int) -> list[Strategy]:
        rows = await self._rows(
            f"""
            select {_STRATEGY} from signal.strategies
            where $1::uuid is null or strategy_id < $1
            order by strategy_id desc limit $2
            """,  # noqa: S608  # constant
            before,
            limit,
        )
        return [Strategy(**row) for row in rows]

    async def signals_of(
        self, master_id: str, *, before_seq: int | None, limit: int
    ) -> list[Signal]:
        rows = await self._rows(
            """
            select payload from signal.signals
            where master_id = $1 and ($2::bigint is null or seq < $2)
            order by seq desc limit $3
            """,
            master_id,
            before_seq,
            limit,
        )
        return [signal_from(row["payload"]) for row in rows]

    async def signal_of(self, master_id: str, signal_id: str) -> Signal | None:
        row = await self._row(
            "select payload from signal.signals where signal_id = $1 and master_id = $2",
            signal_id,
            master_id,
        )
        return signal_from(row["payload"]) if row else None

    async def follow_of(self, user_id: str, follow_id: str) -> StoredFollow | None:
        row = await self._row(
            f"select {FOLLOW} from signal.follows where follow_id = $1 and user_id = $2",  # noqa: S608  # constant
            follow_id,
            user_id,
        )
        return stored_follow(row) if row else None

    async def follows_of(
        self, user_id: str, *, before: str | None, limit: int
    ) -> list[StoredFollow]:
        rows = await self._rows(
            f"""
            select {FOLLOW} from signal.follows
            where user_id = $1 and ($2::uuid is null or follow_id < $2)
            order by follow_id desc limit $3
            """,  # noqa: S608  # constant
            user_id,
            before,
            limit,
        )
        return [stored_follow(row) for row in rows]

    async def account_of(self, user_id: str, account_id: str) -> Account | None:
        """Find a broker account of this user in what auth shows us."""
        row = await self._row(
            "select * from auth.accounts_now where account_id = $1 and user_id = $2",
            account_id,
            user_id,
        )
        return views.account_of(row) if row else None

    async def waiting_rows(self, at_most: int) -> int:
        """Count the outbox, no further than asked."""
        row = await self._row(
            "select count(*) as waiting from (select from signal.outbox limit $1) counted", at_most
        )
        return int(row["waiting"]) if row else 0

    async def partitions(self) -> int:
        """Tell how many partitions this installation has, for ever."""
        row = await self._row("select partitions from public.installation")
        return int(row["partitions"]) if row else 0

    async def _row(self, query: str, *arguments: object) -> asyncpg.Record | None:
        async with self._pool.acquire(timeout=_WAIT_S) as connection:
            return await connection.fetchrow(query, *arguments)

    async def _rows(self, query: str, *arguments: object) -> list[asyncpg.Record]:
        async with self._pool.acquire(timeout=_WAIT_S) as connection:
            rows: list[asyncpg.Record] = await connection.fetch(query, *arguments)
            return rows
