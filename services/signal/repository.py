"""All SQL of the signal service."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
from asyncpg.pool import PoolConnectionProxy

from libs.contracts import codec, topics
from libs.runtime.outbox import OutboxMessage, enqueue
from libs.trading.accounts import AccountKind, SessionState
from libs.trading.follows import Follow, Sizing, SizingMode
from libs.trading.signals import Signal
from services.signal.records import (
    Earlier,
    NameTaken,
    OwnAccount,
    Standing,
    StoredFollow,
    Strategy,
)

SCHEMA = "signal"
_ACQUIRE_TIMEOUT_S = 2
_STRATEGY = "strategy_id, master_id, name, description, created_at, changed_at"
_FOLLOW = (
    "follow_id, strategy_id, master_id, user_id, account_id, broker, sizing_mode, sizing_value,"
    " from_seq, until_seq, paused, version, created_at, changed_at"
)


class CounterBook:
    """One master's line, held by the lock of the counter row until the transaction ends."""

    def __init__(self, connection: PoolConnectionProxy, master_id: str, last_seq: int) -> None:
        self.last_seq = last_seq
        self._connection = connection
        self._master_id = master_id

    async def standing(
        self, *, strategy_id: str, idempotency_key: str, parent_signal_id: str | None
    ) -> Standing:
        """Read everything a request depends on, after the lock: what others did is visible."""
        row = await _one(
            self._connection,
            """
            select clock_timestamp() as at,
                exists (
                    select from signal.strategies where strategy_id = $2 and master_id = $1
                ) as owns_strategy,
                earlier.payload as earlier_payload, earlier.request_hash as earlier_hash,
                parent.payload as parent_payload
            from (select $1::uuid as master_id) asked
            left join signal.signals earlier
                on earlier.master_id = asked.master_id and earlier.idempotency_key = $3
            left join signal.signals parent
                on parent.master_id = asked.master_id and parent.signal_id = $4
            """,
            self._master_id,
            strategy_id,
            idempotency_key,
            parent_signal_id,
        )
        earlier, parent = row["earlier_payload"], row["parent_payload"]
        return Standing(
            at=row["at"],
            owns_strategy=row["owns_strategy"],
            earlier=Earlier(signal=_signal(earlier), request_hash=row["earlier_hash"])
            if earlier
            else None,
            parent=_signal(parent) if parent else None,
        )

    async def write_signal(
        self, signal: Signal, *, idempotency_key: str, request_hash: bytes, message: OutboxMessage
    ) -> list[int]:
        """Count on, keep the signal as published, leave it to the outbox; return the outbox ids."""
        await self._connection.execute(
            """
            with counted as (
                update signal.counters set last_seq = $4 where master_id = $2
            )
            insert into signal.signals (
                signal_id, master_id, strategy_id, seq, action, parent_signal_id, payload,
                accepted_at, expires_at, idempotency_key, request_hash
            ) values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
            """,
            signal.signal_id,
            signal.master_id,
            signal.strategy_id,
            signal.seq,
            signal.action.value,
            signal.parent_signal_id,
            message.payload,
            signal.stamps.accepted_at,
            signal.expires_at,
            idempotency_key,
            request_hash,
        )
        self.last_seq = signal.seq
        return await enqueue(self._connection, SCHEMA, [message])

    async def running_follow_id(self, strategy_id: str, account_id: str) -> str | None:
        found: str | None = await self._connection.fetchval(
            "select follow_id from signal.follows"
            " where strategy_id = $1 and account_id = $2 and until_seq is null",
            strategy_id,
            account_id,
        )
        return found

    async def follow(self, follow_id: str) -> StoredFollow:
        row = await _one(
            self._connection,
            f"select {_FOLLOW} from signal.follows where follow_id = $1",  # noqa: S608  # constant
            follow_id,
        )
        return _stored_follow(row)

    async def write_new_follow(
        self, follow: Follow, message: OutboxMessage
    ) -> tuple[StoredFollow, list[int]]:
        row = await _one(
            self._connection,
            f"""
            insert into signal.follows (
                follow_id, strategy_id, master_id, user_id, account_id, broker, sizing_mode,
                sizing_value, from_seq, paused, version
            ) values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
            returning {_FOLLOW}
            """,  # noqa: S608  # constant
            follow.follow_id,
            follow.strategy_id,
            follow.master_id,
            follow.user_id,
            follow.account_id,
            follow.broker,
            follow.sizing.mode.value,
            follow.sizing.value,
            follow.from_seq,
            follow.paused,
            follow.version,
        )
        return _stored_follow(row), await enqueue(self._connection, SCHEMA, [message])

    async def write_follow(
        self, follow: Follow, message: OutboxMessage
    ) -> tuple[StoredFollow, list[int]]:
        row = await _one(
            self._connection,
            f"""
            update signal.follows set sizing_mode = $2, sizing_value = $3, until_seq = $4,
                paused = $5, version = $6, changed_at = clock_timestamp()
            where follow_id = $1
            returning {_FOLLOW}
            """,  # noqa: S608  # constant
            follow.follow_id,
            follow.sizing.mode.value,
            follow.sizing.value,
            follow.until_seq,
            follow.paused,
            follow.version,
        )
        return _stored_follow(row), await enqueue(self._connection, SCHEMA, [message])


class SignalRepository:
    """Strategies, follows and signals in Postgres; away, it raises `postgres.UNREACHABLE`."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    @asynccontextmanager
    async def locked(self, master_id: str) -> AsyncIterator[CounterBook | None]:
        """Hold the master's counter row in a transaction; None for who never had a strategy.

        Leaving the block commits; any error leaves no trace and no hole in `seq`.
        """
        async with (
            self._pool.acquire(timeout=_ACQUIRE_TIMEOUT_S) as connection,
            connection.transaction(),
        ):
            last_seq = await connection.fetchval(
                "select last_seq from signal.counters where master_id = $1 for update", master_id
            )
            yield None if last_seq is None else CounterBook(connection, master_id, last_seq)

    async def add_strategy(
        self, strategy_id: str, master_id: str, name: str, description: str
    ) -> Strategy | None:
        """Create a strategy, and a master's counter with the first. None when the name is taken."""
        async with (
            self._pool.acquire(timeout=_ACQUIRE_TIMEOUT_S) as connection,
            connection.transaction(),
        ):
            await connection.execute(
                "insert into signal.counters (master_id) values ($1) on conflict do nothing",
                master_id,
            )
            row = await connection.fetchrow(
                f"""
                insert into signal.strategies (strategy_id, master_id, name, description)
                values ($1, $2, $3, $4)
                on conflict (master_id, lower(name)) do nothing
                returning {_STRATEGY}
                """,  # noqa: S608  # constant
                strategy_id,
                master_id,
                name,
                description,
            )
        return Strategy(**row) if row else None

    async def change_strategy(
        self, strategy_id: str, master_id: str, name: str | None, description: str | None
    ) -> Strategy | None:
        """Change what is given; None when the master has no such strategy. Raise `NameTaken`."""
        try:
            row = await self._row(
                f"""
                update signal.strategies set name = coalesce($3, name),
                    description = coalesce($4, description), changed_at = clock_timestamp()
                where strategy_id = $1 and master_id = $2
                returning {_STRATEGY}
                """,  # noqa: S608  # constant
                strategy_id,
                master_id,
                name,
                description,
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
        return [_signal(row["payload"]) for row in rows]

    async def signal_of(self, master_id: str, signal_id: str) -> Signal | None:
        row = await self._row(
            "select payload from signal.signals where signal_id = $1 and master_id = $2",
            signal_id,
            master_id,
        )
        return _signal(row["payload"]) if row else None

    async def follow_of(self, user_id: str, follow_id: str) -> StoredFollow | None:
        row = await self._row(
            f"select {_FOLLOW} from signal.follows where follow_id = $1 and user_id = $2",  # noqa: S608  # constant
            follow_id,
            user_id,
        )
        return _stored_follow(row) if row else None

    async def follows_of(
        self, user_id: str, *, before: str | None, limit: int
    ) -> list[StoredFollow]:
        rows = await self._rows(
            f"""
            select {_FOLLOW} from signal.follows
            where user_id = $1 and ($2::uuid is null or follow_id < $2)
            order by follow_id desc limit $3
            """,  # noqa: S608  # constant
            user_id,
            before,
            limit,
        )
        return [_stored_follow(row) for row in rows]

    async def account_of(self, user_id: str, account_id: str) -> OwnAccount | None:
        """Find a broker account of this user in what auth shows us."""
        row = await self._row(
            """
            select account_id, broker, kind, session_state from auth.accounts_now
            where account_id = $1 and user_id = $2
            """,
            account_id,
            user_id,
        )
        if row is None:
            return None
        return OwnAccount(
            account_id=row["account_id"],
            broker=row["broker"],
            kind=AccountKind(row["kind"]),
            session_state=SessionState(row["session_state"]),
        )

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
        async with self._pool.acquire(timeout=_ACQUIRE_TIMEOUT_S) as connection:
            return await connection.fetchrow(query, *arguments)

    async def _rows(self, query: str, *arguments: object) -> list[asyncpg.Record]:
        async with self._pool.acquire(timeout=_ACQUIRE_TIMEOUT_S) as connection:
            rows: list[asyncpg.Record] = await connection.fetch(query, *arguments)
            return rows


async def _one(connection: PoolConnectionProxy, query: str, *arguments: object) -> asyncpg.Record:
    row = await connection.fetchrow(query, *arguments)
    if row is None:
        raise LookupError("a row that this transaction holds is gone")
    return row


def _signal(payload: bytes) -> Signal:
    signal = codec.decode(topics.SIGNALS, payload)
    if not isinstance(signal, Signal):
        raise TypeError("the signals topic carries signals")
    return signal


def _stored_follow(row: asyncpg.Record) -> StoredFollow:
    return StoredFollow(
        follow=Follow(
            follow_id=row["follow_id"],
            strategy_id=row["strategy_id"],
            master_id=row["master_id"],
            user_id=row["user_id"],
            account_id=row["account_id"],
            broker=row["broker"],
            sizing=Sizing(mode=SizingMode(row["sizing_mode"]), value=row["sizing_value"]),
            from_seq=row["from_seq"],
            until_seq=row["until_seq"],
            paused=row["paused"],
            version=row["version"],
        ),
        created_at=row["created_at"],
        changed_at=row["changed_at"],
    )
