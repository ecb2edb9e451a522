"""All SQL of streaming: leases, replicas, the board of feeds, open alarms, and auth's accounts."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import asyncpg

from libs.contracts.views import account_of
from libs.trading.accounts import Account
from services.streaming.held import HeldFeed
from services.streaming.leases import Shard

SCHEMA = "streaming"

_REPLICA_FORGOTTEN_S = 60.0


@dataclass(frozen=True, slots=True)
class StreamingRepository:
    pool: asyncpg.Pool

    async def partitions(self) -> int:
        return int(await self.pool.fetchval("select partitions from public.installation"))

    async def accounts_changed_since(
        self, since: datetime | None
    ) -> list[tuple[Account, datetime]]:
        rows = await self.pool.fetch(
            """
            select account_id, user_id, broker, kind, version, session_state, environment, regime,
                   broker_client_id, session_expires_at, egress, algo_id, orders_per_second_max,
                   consent_version, strategy_algo_ids, changed_at
            from auth.accounts_now
            where $1::timestamptz is null or changed_at > $1
            """,
            since,
        )
        return [(account_of(row), row["changed_at"]) for row in rows]

    async def heartbeat(self, owner: str, alive_s: float) -> list[str]:
        rows = await self.pool.fetch(
            """
            with me as (
                insert into streaming.replicas (owner, seen_at) values ($1, clock_timestamp())
                on conflict (owner) do update set seen_at = excluded.seen_at
            ), gone as (
                delete from streaming.replicas
                where owner <> $1 and seen_at < clock_timestamp() - make_interval(secs => $3)
            )
            select owner from streaming.replicas
            where owner <> $1 and seen_at > clock_timestamp() - make_interval(secs => $2)
            """,
            owner,
            alive_s,
            _REPLICA_FORGOTTEN_S,
        )
        return [owner, *(row["owner"] for row in rows)]

    async def renew(self, owner: str, lease_s: float) -> dict[Shard, int]:
        # A lease given back keeps its row, for the epoch, but no owner.
        rows = await self.pool.fetch(
            """
            update streaming.shard_leases
            set until = clock_timestamp() + make_interval(secs => $2)
            where owner = $1
            returning broker, shard, epoch
            """,
            owner,
            lease_s,
        )
        return {(row["broker"], row["shard"]): row["epoch"] for row in rows}

    async def take(
        self, owner: str, broker: str, *, partitions: int, count_max: int, lease_s: float
    ) -> dict[Shard, int]:
        rows = await self.pool.fetch(
            """
            insert into streaming.shard_leases as lease (broker, shard, owner, epoch, until)
            select $2, free.shard, $1, 1, clock_timestamp() + make_interval(secs => $5)
            from (
                select shard
                from generate_series(0, $3::int - 1) as every_one (shard)
                where not exists (
                    select from streaming.shard_leases held
                    where held.broker = $2 and held.shard = every_one.shard
                      and held.until > clock_timestamp()
                )
                order by random()
                limit $4
            ) as free
            on conflict (broker, shard) do update
            set owner = excluded.owner, epoch = lease.epoch + 1, until = excluded.until
            where lease.until <= clock_timestamp()
            returning broker, shard, epoch
            """,
            owner,
            broker,
            partitions,
            count_max,
            lease_s,
        )
        return {(row["broker"], row["shard"]): row["epoch"] for row in rows}

    async def release(self, owner: str, shards: Sequence[Shard]) -> None:
        await self.pool.execute(
            """
            update streaming.shard_leases
            set owner = '', until = clock_timestamp()
            where owner = $1
              and (broker, shard) in (select * from unnest($2::text[], $3::int[]))
            """,
            owner,
            [broker for broker, _ in shards],
            [shard for _, shard in shards],
        )

    async def leave(self, owner: str) -> None:
        async with self.pool.acquire() as connection, connection.transaction():
            await connection.execute(
                """
                update streaming.shard_leases set owner = '', until = clock_timestamp()
                where owner = $1
                """,
                owner,
            )
            await connection.execute("delete from streaming.replicas where owner = $1", owner)

    async def show_feeds(self, owner: str, feeds: Sequence[HeldFeed]) -> None:
        """Write rows of the board; a newer lease of the account is never overwritten."""
        await self.pool.execute(
            """
            insert into streaming.feeds as shown (account_id, user_id, broker, shard, owner, epoch,
                state, since, last_message_at, reconnects, message)
            select account_id, user_id, broker, shard, $1, epoch, state, since, last_message_at,
                reconnects, message
            from unnest($2::uuid[], $3::uuid[], $4::text[], $5::int[], $6::bigint[], $7::text[],
                $8::timestamptz[], $9::timestamptz[], $10::int[], $11::text[])
                as told (account_id, user_id, broker, shard, epoch, state, since, last_message_at,
                    reconnects, message)
            on conflict (account_id) do update
            set broker = excluded.broker, shard = excluded.shard, owner = excluded.owner,
                epoch = excluded.epoch, state = excluded.state, since = excluded.since,
                last_message_at = excluded.last_message_at, reconnects = excluded.reconnects,
                message = excluded.message
            where shown.epoch <= excluded.epoch
            """,
            owner,
            [feed.account_id for feed in feeds],
            [feed.account.user_id for feed in feeds],
            [feed.account.broker for feed in feeds],
            [feed.shard for feed in feeds],
            [feed.epoch for feed in feeds],
            [feed.state.value for feed in feeds],
            [feed.since for feed in feeds],
            [feed.last_message_at for feed in feeds],
            [feed.reconnects for feed in feeds],
            [feed.message for feed in feeds],
        )

    async def remove_feeds(self, account_ids: Sequence[str]) -> None:
        await self.pool.execute(
            "delete from streaming.feeds where account_id = any($1::uuid[])", account_ids
        )

    async def feeds_shown(self, *, after: str | None, limit: int) -> list[dict[str, Any]]:
        """Every feed of every replica; one whose replica no longer holds the shard is down."""
        rows = await self.pool.fetch(
            """
            select account_id, user_id, broker, shard, reconnects, last_message_at,
                   case when live then state else 'down' end as state,
                   case when live then since else least(held.until, clock_timestamp()) end as since,
                   case when live then told.owner end as owner,
                   case when live then message else 'no replica holds it just now' end as message
            from streaming.feeds told
            join streaming.shard_leases held using (broker, shard)
            cross join lateral (
                select held.owner = told.owner and held.until > clock_timestamp() as live
            ) as judged
            where $1::uuid is null or account_id > $1
            order by account_id
            limit $2
            """,
            after,
            limit,
        )
        return [dict(row) for row in rows]

    async def open_alarm_subjects(self, name: str) -> set[str]:
        rows = await self.pool.fetch(
            "select subject from streaming.alarms where name = $1 and cleared_at is null", name
        )
        return {row["subject"] for row in rows}
