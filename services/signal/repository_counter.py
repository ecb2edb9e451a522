"""SQL of the signal service under the lock of a master's counter: signals and follows written."""

from datetime import datetime

import asyncpg
from asyncpg.pool import PoolConnectionProxy

from libs.contracts import views
from libs.contracts.limits_json import limits_json
from libs.runtime.outbox import Fresh, OutboxMessage, enqueue
from libs.trading.follows import Follow
from libs.trading.signals import Signal
from services.signal.records import StoredFollow

SCHEMA = "signal"
FOLLOW = (
    "follow_id, strategy_id, master_id, user_id, account_id, broker, sizing_mode, sizing_value,"
    " sizing_when_small, limits, from_seq, until_seq, paused, version, created_at, changed_at"
)


class CounterBook:
    """One master's line, held by the lock of the counter row until the transaction ends."""

    def __init__(self, connection: PoolConnectionProxy, last_seq: int, at: datetime) -> None:
        self.last_seq = last_seq
        self.at = at
        self._connection = connection

    async def write_signal(
        self, signal: Signal, *, idempotency_key: str, request_hash: bytes, message: OutboxMessage
    ) -> list[Fresh]:
        """Count on, keep the signal as published, leave it to the outbox; return its row there.

        Nothing is written, and nothing returned, when the key was used meanwhile. One statement,
        because everyone else of this master waits while it travels.
        """
        outbox_id = await self._connection.fetchval(
            """
            with kept as (
                insert into signal.signals (
                    signal_id, master_id, strategy_id, seq, action, parent_signal_id, payload,
                    accepted_at, expires_at, idempotency_key, request_hash
                ) values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
                on conflict (master_id, idempotency_key) do nothing
                returning signal_id
            ), counted as (
                update signal.counters set last_seq = $4
                where master_id = $2 and exists (select from kept)
            )
            insert into signal.outbox (topic, key, partitions, payload, headers)
            select $12, $13, $14, $7, $15 from kept
            returning id
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
            message.topic,
            message.key,
            list(message.partitions),
            dict(message.headers),
        )
        return [] if outbox_id is None else [(outbox_id, message)]

    async def running_follow_id(self, strategy_id: str, account_id: str) -> str | None:
        found: str | None = await self._connection.fetchval(
            "select follow_id from signal.follows"
            " where strategy_id = $1 and account_id = $2 and until_seq is null",
            strategy_id,
            account_id,
        )
        return found

    async def follow(self, follow_id: str) -> StoredFollow:
        row = await one(
            self._connection,
            f"select {FOLLOW} from signal.follows where follow_id = $1",  # noqa: S608  # constant
            follow_id,
        )
        return stored_follow(row)

    async def write_new_follow(
        self, follow: Follow, message: OutboxMessage
    ) -> tuple[StoredFollow, list[Fresh]]:
        row = await one(
            self._connection,
            f"""
            insert into signal.follows (
                follow_id, strategy_id, master_id, user_id, account_id, broker, sizing_mode,
                sizing_value, sizing_when_small, limits, from_seq, paused, version
            ) values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
            returning {FOLLOW}
            """,  # noqa: S608  # constant
            follow.follow_id,
            follow.strategy_id,
            follow.master_id,
            follow.user_id,
            follow.account_id,
            follow.broker,
            follow.sizing.mode.value,
            follow.sizing.value,
            follow.sizing.when_small.value,
            limits_json(follow.limits),
            follow.from_seq,
            follow.paused,
            follow.version,
        )
        [outbox_id] = await enqueue(self._connection, SCHEMA, [message])
        return stored_follow(row), [(outbox_id, message)]

    async def write_follow(
        self, follow: Follow, message: OutboxMessage
    ) -> tuple[StoredFollow, list[Fresh]]:
        row = await one(
            self._connection,
            f"""
            update signal.follows set sizing_mode = $2, sizing_value = $3, until_seq = $4,
                paused = $5, version = $6, sizing_when_small = $7, limits = $8,
                changed_at = clock_timestamp()
            where follow_id = $1
            returning {FOLLOW}
            """,  # noqa: S608  # constant
            follow.follow_id,
            follow.sizing.mode.value,
            follow.sizing.value,
            follow.until_seq,
            follow.paused,
            follow.version,
            follow.sizing.when_small.value,
            limits_json(follow.limits),
        )
        [outbox_id] = await enqueue(self._connection, SCHEMA, [message])
        return stored_follow(row), [(outbox_id, message)]


async def one(connection: PoolConnectionProxy, query: str, *arguments: object) -> asyncpg.Record:
    row = await connection.fetchrow(query, *arguments)
    if row is None:
        raise LookupError("a row that this transaction holds is gone")
    return row


def stored_follow(row: asyncpg.Record) -> StoredFollow:
    return StoredFollow(
        follow=views.follow_of(row),
        created_at=row["created_at"],
        changed_at=row["changed_at"],
    )
