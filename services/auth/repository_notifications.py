"""SQL of in-app notifications: stored once each, read newest first, marked read per person."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import asyncpg

from libs.runtime.outbox import OutboxMessage, enqueue
from libs.trading.events import Notice

if TYPE_CHECKING:
    from asyncpg.pool import PoolConnectionProxy

    Connection = asyncpg.Connection | PoolConnectionProxy


async def store(connection: "Connection", notices: Sequence[Notice]) -> None:
    """Write notices; one that is there already stays as it is."""
    await connection.executemany(
        """
        insert into auth.notifications (notice_id, user_id, kind, code, subject, figures, at)
        values ($1, $2, $3, $4, $5, $6, $7)
        on conflict (notice_id) do nothing
        """,
        [
            (n.notice_id, n.user_id, n.kind.value, n.code, n.subject, n.figures, n.at)
            for n in notices
        ],
    )


class NotificationRepository:
    """Reads for one person. `operator` adds what is addressed to the operators."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    async def store(self, notices: Sequence[Notice], dead: Sequence[OutboxMessage]) -> None:
        """Write a batch from the bus, and what nobody could read to the outbox, in one go."""
        async with self._pool.acquire() as connection, connection.transaction():
            await store(connection, notices)
            await enqueue(connection, "auth", dead)

    async def newest(
        self, user_id: str, *, operator: bool, before: int | None, limit: int
    ) -> list[dict[str, Any]]:
        rows = await self._pool.fetch(
            """
            select n.id, n.notice_id, n.kind, n.code, n.subject, n.figures, n.at, r.read_at
            from auth.notifications n
            left join auth.notification_reads r on r.id = n.id and r.user_id = $1
            where (n.user_id = $1 or ($2 and n.user_id is null))
                and ($3::bigint is null or n.id < $3)
            order by n.id desc limit $4
            """,
            user_id,
            operator,
            before,
            limit,
        )
        return [dict(row) for row in rows]

    async def unread(self, user_id: str, *, operator: bool) -> int:
        count: int = await self._pool.fetchval(
            """
            select count(*) from auth.notifications n
            where (n.user_id = $1 or ($2 and n.user_id is null)) and not exists (
                select from auth.notification_reads r where r.id = n.id and r.user_id = $1
            )
            """,
            user_id,
            operator,
        )
        return count

    async def mark_read(self, user_id: str, *, operator: bool, notice_id: str | None) -> int:
        """Mark one notice, or all for None; return how many exist among the ones asked for."""
        count: int = await self._pool.fetchval(
            """
            with asked as (
                select n.id from auth.notifications n
                where (n.user_id = $1 or ($2 and n.user_id is null))
                    and ($3::text is null or n.notice_id = $3)
            ), marked as (
                insert into auth.notification_reads (id, user_id) select id, $1 from asked
                on conflict do nothing
            )
            select count(*) from asked
            """,
            user_id,
            operator,
            notice_id,
        )
        return count
