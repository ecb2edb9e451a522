"""SQL of webhooks: who they are, which bodies they have seen, what became of their deliveries."""

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import asyncpg

from services.signal.alerts import AlertFormat
from services.signal.alerts_mapping import MappingBody
from services.signal.webhooks import Delivery, Outcome, Sighting, Webhook, WebhookGone

WEBHOOKS_MAX = 10
DELIVERIES_KEPT = 200
_WAIT_S = 2
# Longer than any window makes a body the same alert.
_SEEN_KEPT_S = 3 * 3600
_WEBHOOK = """
select w.webhook_id, w.strategy_id, s.master_id, w.name, w.format, w.mapping, w.replay_window_s,
    w.signature_header, w.sealed_signing_key, w.created_at, w.changed_at, w.rotated_at
from signal.webhooks w join signal.strategies s using (strategy_id)
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Keys:
    """What is stored of a webhook's secrets."""

    secret_hash: bytes
    signature_header: str | None
    sealed_signing_key: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class NewWebhook:
    webhook_id: str
    strategy_id: str
    name: str
    format: AlertFormat
    mapping: MappingBody
    replay_window_s: int
    keys: Keys


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredDelivery:
    delivery_id: int
    at: datetime
    outcome: Outcome
    signal_ids: Sequence[str]
    refused: int
    problem: str


class WebhookRepository:
    """Webhooks in Postgres; away, it raises `postgres.UNREACHABLE`."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    async def secret_hashes(self, strategy_id: str) -> list[tuple[str, bytes]]:
        """List the webhooks of a strategy by their hashes, all of one length."""
        rows = await self._rows(
            "select webhook_id, secret_hash from signal.webhooks where strategy_id = $1",
            strategy_id,
        )
        return [(row["webhook_id"], row["secret_hash"]) for row in rows]

    async def webhook(self, webhook_id: str) -> Webhook | None:
        row = await self._row(f"{_WEBHOOK} where w.webhook_id = $1", webhook_id)
        return _webhook(row) if row else None

    async def seen(self, webhook_id: str, body_hash: bytes, remembered_s: int) -> Sighting:
        """Say when this body came first; after its time it comes for the first time again."""
        try:
            row = await self._row(
                """
                with clock as materialized (select clock_timestamp() as at), forgotten as (
                    delete from signal.webhook_alerts
                    where webhook_id = $1
                        and first_at < clock_timestamp() - make_interval(secs => $4)
                        and body_hash <> $2
                ), known as (
                    insert into signal.webhook_alerts as known (webhook_id, body_hash, first_at)
                    select $1, $2, at from clock
                    on conflict (webhook_id, body_hash) do update set first_at = case
                        when known.first_at <= excluded.first_at - make_interval(secs => $3)
                        then excluded.first_at else known.first_at end
                    returning first_at
                )
                select known.first_at, clock.at from known, clock
                """,
                webhook_id,
                body_hash,
                remembered_s,
                _SEEN_KEPT_S,
            )
        except asyncpg.ForeignKeyViolationError:
            row = None
        if row is None:
            raise WebhookGone(webhook_id)
        # Two at once: the other one's clock may have been read a moment after ours.
        return Sighting(first_at=row["first_at"], at=max(row["at"], row["first_at"]))

    async def write_delivery(self, webhook_id: str, delivery: Delivery) -> None:
        """Keep the last ones; none for a webhook that was deleted meanwhile."""
        # A webhook may be deleted in this very moment.
        with contextlib.suppress(asyncpg.ForeignKeyViolationError):
            await self._rows(
                """
                with written as (
                    insert into signal.webhook_deliveries
                        (webhook_id, outcome, signal_ids, refused, problem)
                    select webhook_id, $2, $3, $4, $5 from signal.webhooks where webhook_id = $1
                )
                delete from signal.webhook_deliveries
                where webhook_id = $1 and delivery_id <= (
                    select delivery_id from signal.webhook_deliveries
                    where webhook_id = $1 order by delivery_id desc offset $6 limit 1
                )
                """,
                webhook_id,
                delivery.outcome.value,
                list(delivery.signal_ids),
                delivery.refused,
                delivery.problem,
                DELIVERIES_KEPT - 1,
            )

    async def owns(self, master_id: str, strategy_id: str) -> bool:
        row = await self._row(
            "select from signal.strategies where strategy_id = $1 and master_id = $2",
            strategy_id,
            master_id,
        )
        return row is not None

    async def own_webhook(
        self, master_id: str, strategy_id: str, webhook_id: str
    ) -> Webhook | None:
        row = await self._row(
            f"{_WEBHOOK} where w.webhook_id = $1 and w.strategy_id = $2 and s.master_id = $3",
            webhook_id,
            strategy_id,
            master_id,
        )
        return _webhook(row) if row else None

    async def own_webhooks(self, master_id: str, strategy_id: str) -> list[Webhook]:
        rows = await self._rows(
            f"{_WEBHOOK} where w.strategy_id = $1 and s.master_id = $2 order by w.webhook_id",
            strategy_id,
            master_id,
        )
        return [_webhook(row) for row in rows]

    async def add(self, new: NewWebhook) -> bool:
        """Create a webhook; False when the strategy has as many as it may."""
        async with self._pool.acquire(timeout=_WAIT_S) as connection, connection.transaction():
            # Two creations at once must not both be the last.
            await connection.execute(
                "select from signal.strategies where strategy_id = $1 for no key update",
                new.strategy_id,
            )
            number = await connection.fetchval(
                "select count(*) from signal.webhooks where strategy_id = $1", new.strategy_id
            )
            if number >= WEBHOOKS_MAX:
                return False
            await connection.execute(
                """
                insert into signal.webhooks (webhook_id, strategy_id, name, format, mapping,
                    replay_window_s, secret_hash, signature_header, sealed_signing_key)
                values ($1, $2, $3, $4, $5, $6, $7, $8, $9)
                """,
                new.webhook_id,
                new.strategy_id,
                new.name,
                new.format.value,
                new.mapping.model_dump(mode="json"),
                new.replay_window_s,
                new.keys.secret_hash,
                new.keys.signature_header,
                new.keys.sealed_signing_key,
            )
        return True

    async def change(
        self, webhook_id: str, *, name: str, mapping: MappingBody, replay_window_s: int
    ) -> None:
        await self._rows(
            """
            update signal.webhooks set name = $2, mapping = $3, replay_window_s = $4,
                changed_at = clock_timestamp()
            where webhook_id = $1
            """,
            webhook_id,
            name,
            mapping.model_dump(mode="json"),
            replay_window_s,
        )

    async def rotate(self, webhook_id: str, keys: Keys) -> None:
        await self._rows(
            """
            update signal.webhooks set secret_hash = $2, signature_header = $3,
                sealed_signing_key = $4, rotated_at = clock_timestamp()
            where webhook_id = $1
            """,
            webhook_id,
            keys.secret_hash,
            keys.signature_header,
            keys.sealed_signing_key,
        )

    async def delete(self, webhook_id: str) -> None:
        await self._rows("delete from signal.webhooks where webhook_id = $1", webhook_id)

    async def deliveries(
        self, webhook_id: str, *, before: int | None, limit: int
    ) -> list[StoredDelivery]:
        rows = await self._rows(
            """
            select delivery_id, at, outcome, signal_ids, refused, problem
            from signal.webhook_deliveries
            where webhook_id = $1 and ($2::bigint is null or delivery_id < $2)
            order by delivery_id desc limit $3
            """,
            webhook_id,
            before,
            limit,
        )
        return [StoredDelivery(**{**dict(row), "outcome": Outcome(row["outcome"])}) for row in rows]

    async def _row(self, query: str, *arguments: object) -> asyncpg.Record | None:
        async with self._pool.acquire(timeout=_WAIT_S) as connection:
            return await connection.fetchrow(query, *arguments)

    async def _rows(self, query: str, *arguments: object) -> list[asyncpg.Record]:
        async with self._pool.acquire(timeout=_WAIT_S) as connection:
            rows: list[asyncpg.Record] = await connection.fetch(query, *arguments)
            return rows


def _webhook(row: asyncpg.Record) -> Webhook:
    return Webhook(
        **{
            **dict(row),
            "format": AlertFormat(row["format"]),
            "mapping": MappingBody.model_validate(row["mapping"]),
        }
    )
