"""Alarms that stand as long as rows say so: opened and cleared by comparing, not by memory."""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import asyncpg

from libs.trading.reasons import AttentionReason
from services.executor.alarms import AlarmName, Alarms
from services.executor.followers import Followers
from services.executor.rows import Holding

# Opened and cleared per turn: a broker that loses every answer must not stop everything else.
_CHANGES_MAX = 200

_PARKED = """
SELECT order_id, account_id, state, reason, instrument, quantity, message FROM executor.orders
WHERE broker = $1 AND shard = ANY($2::int[]) AND state IN ('UNKNOWN', 'NEEDS_ATTENTION')
"""
_APPEARED = """
WITH seen AS (
    UPDATE executor.watched_orders w SET appeared_at = clock_timestamp()
    FROM executor.orders o
    WHERE o.order_id = w.order_id AND w.broker = $1 AND w.shard = ANY($2::int[])
        AND w.ended_at IS NULL AND w.appeared_at IS NULL AND o.state <> 'NOT_PLACED'
    RETURNING w.order_id
)
SELECT o.order_id, o.account_id, o.instrument, o.state, o.broker_order_id
FROM executor.watched_orders w JOIN executor.orders o USING (order_id)
WHERE w.broker = $1 AND w.shard = ANY($2::int[]) AND w.ended_at IS NULL
    AND o.state IN ('ACKED', 'OPEN', 'PARTIAL', 'NEEDS_ATTENTION')
UNION
SELECT o.order_id, o.account_id, o.instrument, o.state, o.broker_order_id
FROM seen JOIN executor.orders o USING (order_id)
"""
_OPEN_NOW = """
SELECT a.name, a.subject, o.order_id IS NOT NULL AS of_order FROM executor.alarms a
LEFT JOIN executor.orders o ON o.broker = $1 AND o.shard = ANY($2::int[])
    AND o.order_id = CASE WHEN a.subject LIKE 'order:%' THEN substr(a.subject, 7)::uuid END
WHERE a.cleared_at IS NULL AND a.name = ANY($3::text[])
"""

_ACCOUNT = "account:"
_NAMES = (
    AlarmName.ORDERS_IN_DOUBT,
    AlarmName.NEEDS_ATTENTION,
    AlarmName.ORDER_CONTRADICTED,
    AlarmName.ORDER_APPEARED_LATE,
)

Key = tuple[str, str]
Figures = dict[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    pool: asyncpg.Pool
    broker: str
    holding: Callable[[], Holding]
    followers: Followers
    alarms: Alarms

    async def tell(self) -> None:
        """Open what should stand and does not, clear what stands and should not."""
        shards = list(self.holding().epochs)
        if not shards:
            return
        # Before what should stand: an alarm opened in between is left for the next turn.
        rows = await self.pool.fetch(_OPEN_NOW, self.broker, shards, list(_NAMES))
        standing = {
            (row["name"], row["subject"])
            for row in rows
            if row["of_order"] or row["subject"].removeprefix(_ACCOUNT) in self.followers.accounts
        }
        parked = await self.pool.fetch(_PARKED, self.broker, shards)
        appeared = await self.pool.fetch(_APPEARED, self.broker, shards)
        wanted = _doubts(parked) | _parked(parked) | _late(appeared)
        missing = [key for key in wanted if key not in standing]
        for name, subject in missing[:_CHANGES_MAX]:
            await self.alarms.open(name, subject, **wanted[name, subject])
        for name, subject in sorted(standing - wanted.keys())[:_CHANGES_MAX]:
            await self.alarms.clear(name, subject)


def _doubts(rows: Iterable[asyncpg.Record]) -> dict[Key, Figures]:
    count = Counter(row["account_id"] for row in rows if row["state"] == "UNKNOWN")
    return {
        (AlarmName.ORDERS_IN_DOUBT, f"{_ACCOUNT}{account_id}"): {"orders": str(n)}
        for account_id, n in count.items()
    }


def _parked(rows: Iterable[asyncpg.Record]) -> dict[Key, Figures]:
    wanted: dict[Key, Figures] = {}
    for row in rows:
        if row["state"] != "NEEDS_ATTENTION":
            continue
        subject = f"order:{row['order_id']}"
        figures = {
            "account_id": row["account_id"],
            "instrument": row["instrument"],
            "quantity": str(row["quantity"]),
            "reason": row["reason"] or "",
            "message": row["message"],
        }
        wanted[AlarmName.NEEDS_ATTENTION, subject] = figures
        if row["reason"] == AttentionReason.CONTRADICTION:
            wanted[AlarmName.ORDER_CONTRADICTED, subject] = figures
    return wanted


def _late(rows: Iterable[asyncpg.Record]) -> dict[Key, Figures]:
    return {
        (AlarmName.ORDER_APPEARED_LATE, f"order:{row['order_id']}"): {
            "account_id": row["account_id"],
            "instrument": row["instrument"],
            "state": row["state"],
            "broker_order_id": row["broker_order_id"] or "",
        }
        for row in rows
    }
