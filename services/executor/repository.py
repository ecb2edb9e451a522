"""What the executor reads: the views of other services, and orders for people."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import asyncpg

from libs.brokers.registry import BROKERS
from libs.contracts import codec, topics
from libs.contracts.views import account_of, follow_of
from libs.trading.accounts import Account
from libs.trading.events import OrderChanged
from libs.trading.follows import Follow
from libs.trading.orders import Product, Side
from libs.trading.signals import Signal
from libs.trading.states import OrderState
from services.executor.account_limits import AccountLimitRows, AccountLimits
from services.executor.rows import terms_of

_ORDER_COLUMNS = """order_id, version, change_id::text::bigint AS change_id, changed_at, state,
    signal_id, strategy_id, follow_id, master_id, user_id, account_id, broker, client_order_id,
    instrument, side, product, order_type, quantity, limit_price, trigger_price, planned_at,
    accepted_at, sent_at, filled_quantity, average_price, broker_order_id, environment, action,
    reason, message, retry_of, figures, acknowledged_at, filled_at"""

# Postgres has committed or given up every transaction below this one.
_CURSOR = "pg_snapshot_xmin(pg_current_snapshot())::text::bigint"

# A master's orders are found through the master's signals, newest first.
_NEWEST = f"""
SELECT {_ORDER_COLUMNS} FROM executor.orders WHERE order_id IN (
    (SELECT order_id FROM executor.orders WHERE user_id = $1 ORDER BY order_id DESC LIMIT $2)
    UNION
    (SELECT o.order_id
        FROM (SELECT DISTINCT ON (seq) signal_id FROM executor.inbox WHERE master_id = $1
            ORDER BY seq DESC) AS newest
        JOIN executor.orders o USING (signal_id) LIMIT $2))
ORDER BY planned_at DESC, order_id LIMIT $2
"""
_CHANGED = f"""
SELECT {_ORDER_COLUMNS} FROM executor.orders WHERE (user_id = $1 OR master_id = $1)
    AND order_id IN (SELECT order_id FROM executor.order_history
        WHERE change_id >= $3::bigint::text::xid8
            AND broker = ANY($4::text[]) AND shard = ANY($5::int[]))
ORDER BY planned_at DESC, order_id LIMIT $2
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """Orders and the cursor from which to ask for what changes later."""

    orders: list[OrderChanged]
    cursor: int


@dataclass(frozen=True, slots=True)
class Repository:
    pool: asyncpg.Pool
    broker: str
    partitions: int

    async def follows(self, *, changed_after: datetime | None = None) -> list[Follow]:
        rows = await self.pool.fetch(
            """SELECT * FROM signal.follows_now
            WHERE broker = $1 AND ($2::timestamptz IS NULL OR changed_at >= $2)""",
            self.broker,
            changed_after,
        )
        return [follow_of(row) for row in rows]

    async def accounts(
        self,
        *,
        changed_after: datetime | None = None,
        account_ids: Sequence[str] | None = None,
    ) -> list[Account]:
        rows = await self.pool.fetch(
            """SELECT * FROM auth.accounts_now
            WHERE broker = $1 AND ($2::timestamptz IS NULL OR changed_at >= $2)
                AND ($3::uuid[] IS NULL OR account_id = ANY($3))""",
            self.broker,
            changed_after,
            account_ids,
        )
        return [account_of(row) for row in rows]

    async def account_limits(self, *, changed_after: datetime | None = None) -> list[AccountLimits]:
        rows = AccountLimitRows(self.pool)
        return await rows.of_broker(self.broker, changed_after=changed_after)

    async def now(self) -> datetime:
        now: datetime = await self.pool.fetchval("SELECT clock_timestamp()")
        return now

    async def planned(self, shards: Sequence[int]) -> dict[tuple[int, str], int]:
        """Read the last planned seq per shard and master."""
        rows = await self.pool.fetch(
            """SELECT shard, master_id, seq FROM executor.planned_seqs
            WHERE broker = $1 AND shard = ANY($2::int[])""",
            self.broker,
            shards,
        )
        return {(row["shard"], row["master_id"]): row["seq"] for row in rows}

    async def emitted(self, master_id: str, *, after: int, before: int) -> list[Signal]:
        """Read a master's signals with after < seq < before, in order."""
        rows = await self.pool.fetch(
            """SELECT payload FROM signal.emitted
            WHERE master_id = $1 AND seq > $2 AND seq < $3 ORDER BY seq""",
            master_id,
            after,
            before,
        )
        return [_signal(row["payload"]) for row in rows]

    async def accepted_lately(
        self, shards: Sequence[int], *, within_s: float, before_s: float
    ) -> list[Signal]:
        """Read what was accepted within that time, but for the newest, in order.

        What all these shards have planned stays where it is: it would be read sixty times.
        """
        rows = await self.pool.fetch(
            """SELECT payload FROM signal.emitted e
            WHERE accepted_at > clock_timestamp() - make_interval(secs => $1)
                AND accepted_at < clock_timestamp() - make_interval(secs => $2)
                AND seq > (SELECT CASE WHEN count(*) < cardinality($4::int[]) THEN 0
                        ELSE min(p.seq) END
                    FROM executor.planned_seqs p
                    WHERE p.broker = $3 AND p.shard = ANY($4::int[])
                        AND p.master_id = e.master_id)
            ORDER BY master_id, seq""",
            within_s,
            before_s,
            self.broker,
            shards,
        )
        return [_signal(row["payload"]) for row in rows]

    async def not_planned(self, shards: Sequence[int]) -> list[Signal]:
        """Read what comes after the last planned seq of any of these shards, in order.

        Of masters never planned here, what is still alive.
        """
        rows = await self.pool.fetch(
            """SELECT e.payload FROM signal.emitted e JOIN (
                SELECT master_id, min(seq) AS seq FROM executor.planned_seqs
                WHERE broker = $1 AND shard = ANY($2::int[]) GROUP BY master_id) p
                ON e.master_id = p.master_id AND e.seq > p.seq
            UNION
            SELECT payload FROM signal.emitted e
            WHERE e.accepted_at > clock_timestamp() - interval '1 hour'
                AND e.expires_at > clock_timestamp()
                AND NOT EXISTS (SELECT FROM executor.planned_seqs p
                    WHERE p.broker = $1 AND p.shard = ANY($2::int[])
                        AND p.master_id = e.master_id)""",
            self.broker,
            shards,
        )
        found = [_signal(row["payload"]) for row in rows]
        return sorted(found, key=lambda signal: (signal.master_id, signal.seq))

    async def last_entries(self, strategy_id: str, most: int) -> list[Signal]:
        """Read a strategy's last entries, the newest first, whoever they reached."""
        rows = await self.pool.fetch(
            """SELECT payload FROM signal.emitted
            WHERE strategy_id = $1 AND action = 'PLACE' ORDER BY seq DESC LIMIT $2""",
            strategy_id,
            most,
        )
        return [_signal(row["payload"]) for row in rows]

    async def live_signals(self, master_ids: Sequence[str]) -> list[Signal]:
        """Read the signals of these masters that have not expired, in order."""
        rows = await self.pool.fetch(
            """SELECT payload FROM signal.emitted
            WHERE master_id = ANY($1::uuid[]) AND expires_at > clock_timestamp()
            ORDER BY master_id, seq""",
            master_ids,
        )
        return [_signal(row["payload"]) for row in rows]

    async def order_snapshot(self, user_id: str, *, after: int | None, limit: int) -> Snapshot:
        """List a user's orders, as follower or as master: all, or those changed since a cursor."""
        async with (
            self.pool.acquire() as connection,
            connection.transaction(isolation="repeatable_read", readonly=True),
        ):
            cursor = await connection.fetchval(f"SELECT {_CURSOR}")  # A constant.
            if after is None:
                rows = await connection.fetch(_NEWEST, user_id, limit)
            else:
                shards = list(range(self.partitions))
                rows = await connection.fetch(_CHANGED, user_id, limit, after, BROKERS, shards)
        return Snapshot(orders=[_order(row) for row in rows], cursor=cursor)

    async def order(self, order_id: str, user_id: str | None) -> OrderChanged | None:
        """Read one order; None when it is not this user's. `user_id` None reads any."""
        row = await self.pool.fetchrow(
            f"""SELECT {_ORDER_COLUMNS} FROM executor.orders
            WHERE order_id = $1 AND ($2::uuid IS NULL OR user_id = $2 OR master_id = $2)""",
            order_id,
            user_id,
        )
        return _order(row) if row else None

    async def history(self, order_id: str) -> list[asyncpg.Record]:
        rows: list[asyncpg.Record] = await self.pool.fetch(
            """SELECT version, state, reason, message, filled_quantity, average_price, quantity,
                limit_price, trigger_price, at
            FROM executor.order_history WHERE order_id = $1 ORDER BY version""",
            order_id,
        )
        return rows

    async def open_alarms(self) -> list[tuple[str, str]]:
        """Name the alarms that stand, each with its subject."""
        rows = await self.pool.fetch(
            "SELECT name, subject FROM executor.alarms WHERE cleared_at IS NULL"
        )
        return [(row["name"], row["subject"]) for row in rows]

    async def leases(self) -> list[asyncpg.Record]:
        rows: list[asyncpg.Record] = await self.pool.fetch(
            """SELECT broker, shard, owner, epoch, until, until > clock_timestamp() AS held
            FROM executor.shard_leases ORDER BY broker, shard"""
        )
        return rows


def _signal(payload: bytes) -> Signal:
    event = codec.decode(topics.SIGNALS, payload)
    if not isinstance(event, Signal):
        raise TypeError("signal.emitted holds something else than signals")
    return event


def _order(row: asyncpg.Record) -> OrderChanged:
    return changed_of(row, at=row["changed_at"])


def changed_of(row: asyncpg.Record, *, at: datetime) -> OrderChanged:
    """Make the event of a row that carries the columns of an order and of one version."""
    return OrderChanged(
        order_id=row["order_id"],
        version=row["version"],
        change_id=row["change_id"],
        at=at,
        state=OrderState(row["state"]),
        signal_id=row["signal_id"],
        strategy_id=row["strategy_id"],
        follow_id=row["follow_id"],
        master_id=row["master_id"],
        user_id=row["user_id"],
        account_id=row["account_id"],
        broker=row["broker"],
        client_order_id=row["client_order_id"],
        instrument=row["instrument"],
        side=Side(row["side"]),
        product=Product(row["product"]),
        terms=terms_of(row),
        planned_at=row["planned_at"],
        accepted_at=row["accepted_at"],
        sent_at=row["sent_at"],
        filled_quantity=row["filled_quantity"],
        average_price=row["average_price"],
        broker_order_id=row["broker_order_id"],
        environment=row["environment"],
        action=row["action"],
        reason=row["reason"],
        message=row["message"],
        retry_of=row["retry_of"],
        figures=row["figures"] or {},
        acknowledged_at=row["acknowledged_at"],
        filled_at=row["filled_at"],
    )
