"""SQL of one planning transaction: inbox, new orders, changes asked of orders already placed."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import asyncpg
from asyncpg.pool import PoolConnectionProxy

from libs.contracts.codec import Undecodable
from libs.trading.orders import OrderTerms, Product, Side, Validity
from libs.trading.reasons import SKIP_SENTENCES, SkipReason
from libs.trading.signals import Signal
from libs.trading.states import OrderState
from services.executor.fanout import Opened
from services.executor.rows import Due, PlannedOrder
from services.executor.statements import HISTORY_OF_MOVED

Connection = asyncpg.Connection | PoolConnectionProxy

_NEW_IN_INBOX = """
INSERT INTO executor.inbox (broker, shard, signal_id, master_id, seq)
SELECT $1, shard, $3, $4, $5 FROM unnest($2::int[]) AS shard
ON CONFLICT DO NOTHING
RETURNING shard
"""

_NOTE_PLANNED = """
INSERT INTO executor.planned_seqs (broker, shard, master_id, seq)
SELECT $1, shard, $3, $4 FROM unnest($2::int[]) AS shard
ON CONFLICT (broker, shard, master_id)
DO UPDATE SET seq = greatest(planned_seqs.seq, excluded.seq)
"""

_INSERT_ORDERS = f"""
WITH moved AS (
    INSERT INTO executor.orders (
        order_id, client_order_id, signal_id, account_id, broker, shard, master_id, strategy_id,
        follow_id, user_id, seq, environment, action, instrument, side, product, validity,
        order_type, quantity, limit_price, trigger_price, algo_id, request_hash, state, reason,
        message, accepted_at, expires_at)
    SELECT order_id, client_order_id, $2, account_id, $1, shard, $3, $4, follow_id, user_id, $5,
        environment, $6, $7, side, $8, $9, $10, quantity, $11, $12, algo_id, request_hash, state,
        reason, message, $13, $14
    FROM unnest($15::uuid[], $16::text[], $17::uuid[], $18::int[], $19::uuid[], $20::uuid[],
        $21::text[], $22::text[], $23::bigint[], $24::text[], $25::bytea[], $26::text[],
        $27::text[], $28::text[])
        AS new (order_id, client_order_id, account_id, shard, follow_id, user_id, environment,
            side, quantity, algo_id, request_hash, state, reason, message)
    ON CONFLICT (signal_id, account_id, leg, issue) DO NOTHING
    RETURNING *
), history AS ({HISTORY_OF_MOVED})
SELECT order_id, version, account_id, state FROM moved
"""

# Everything of one strategy in one instrument and product, per account: fills, and exits at work.
_OPENED = """
SELECT account_id,
    sum(CASE side WHEN 'BUY' THEN filled_quantity ELSE -filled_quantity END)::bigint AS net,
    sum(CASE WHEN action = 'EXIT' AND state IN
            ('PLANNED', 'HELD', 'SENDING', 'UNKNOWN', 'ACKED', 'OPEN', 'PARTIAL')
        THEN quantity - filled_quantity ELSE 0 END)::bigint AS closing
FROM executor.orders
WHERE broker = $1 AND shard = ANY($2::int[]) AND strategy_id = $3 AND instrument = $4
    AND product = $5 AND seq < $6
GROUP BY account_id
HAVING bool_or(action = 'PLACE' AND (filled_quantity > 0 OR state IN
    ('SENDING', 'UNKNOWN', 'ACKED', 'OPEN', 'PARTIAL', 'NEEDS_ATTENTION')))
"""

_CANCEL_UNSENT = f"""
WITH moved AS (
    UPDATE executor.orders SET state = 'SKIPPED', reason = $4, message = $5,
        version = version + 1, changed_at = clock_timestamp(), change_id = pg_current_xact_id()
    WHERE order_id = ANY($1::uuid[]) AND broker = $2 AND shard = ANY($3::int[])
        AND state IN ('PLANNED', 'HELD')
    RETURNING *
), history AS ({HISTORY_OF_MOVED})
SELECT count(*) FROM moved
"""

_CHANGE_UNSENT = f"""
WITH moved AS (
    UPDATE executor.orders o SET order_type = $5, quantity = new.quantity, limit_price = $6,
        trigger_price = $7, request_hash = new.request_hash, version = version + 1,
        changed_at = clock_timestamp(), change_id = pg_current_xact_id()
    FROM unnest($1::uuid[], $2::bigint[], $3::bytea[]) AS new (order_id, quantity, request_hash)
    WHERE o.order_id = new.order_id AND o.broker = $4 AND o.state IN ('PLANNED', 'HELD')
    RETURNING o.*
), history AS ({HISTORY_OF_MOVED})
SELECT order_id, version, account_id, action FROM moved
"""

# A later command makes an earlier one that was not sent yet pointless.
_ADD_COMMANDS = """
WITH dropped AS (
    UPDATE executor.commands SET state = 'DROPPED', message = 'overtaken by a later one',
        changed_at = clock_timestamp()
    WHERE order_id = ANY($1::uuid[]) AND state = 'DUE' AND kind = 'MODIFY'
)
INSERT INTO executor.commands (order_id, n, kind, broker, shard, signal_id, order_type, quantity,
    limit_price, trigger_price, expires_at)
SELECT o.order_id,
    coalesce((SELECT max(n) FROM executor.commands c WHERE c.order_id = o.order_id), 0) + 1,
    $3, o.broker, o.shard, $4, $5, new.quantity, $6, $7, $8
FROM unnest($1::uuid[], $2::bigint[]) AS new (order_id, quantity)
JOIN executor.orders o USING (order_id)
ON CONFLICT (order_id, signal_id) DO NOTHING
RETURNING order_id, n
"""

_BURY = """
INSERT INTO executor.dead_letters (topic, partition, "offset", key, raw, headers, error)
VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlacedOrder:
    """An order of the parent signal, as far as MODIFY and CANCEL must know it."""

    order_id: str
    account_id: str
    follow_id: str
    state: OrderState
    instrument: str
    side: Side
    product: Product
    validity: Validity


@dataclass(slots=True)
class PlanningPage:
    """One open planning transaction. What it made due is in `due` once it is committed."""

    connection: Connection
    broker: str
    due: list[Due] = field(default_factory=list)

    async def new_shards(self, signal: Signal, shards: Sequence[int]) -> list[int]:
        """Note the signal in the inbox; return the shards that had not planned it before."""
        rows = await self.connection.fetch(
            _NEW_IN_INBOX, self.broker, shards, signal.signal_id, signal.master_id, signal.seq
        )
        await self.connection.execute(
            _NOTE_PLANNED, self.broker, shards, signal.master_id, signal.seq
        )
        return [row["shard"] for row in rows]

    async def add_orders(self, signal: Signal, orders: Sequence[PlannedOrder]) -> None:
        """Write new orders; one that exists already stays as it is."""
        if not orders or signal.terms is None:
            return
        rows = await self.connection.fetch(
            _INSERT_ORDERS,
            self.broker,
            signal.signal_id,
            signal.master_id,
            signal.strategy_id,
            signal.seq,
            signal.action.value,
            signal.instrument,
            signal.product,
            signal.validity,
            signal.terms.order_type,
            signal.terms.limit_price,
            signal.terms.trigger_price,
            signal.stamps.accepted_at,
            signal.expires_at,
            *_columns(orders),
        )
        self._due(signal, [row for row in rows if row["state"] == OrderState.PLANNED])

    async def opened(self, signal: Signal, shards: Sequence[int]) -> dict[str, Opened]:
        """Sum up what the strategy holds in the signal's instrument and product, per account."""
        rows = await self.connection.fetch(
            _OPENED,
            self.broker,
            shards,
            signal.strategy_id,
            signal.instrument,
            signal.product,
            signal.seq,
        )
        return {
            row["account_id"]: Opened(
                account_id=row["account_id"], net_quantity=row["net"], closing=row["closing"]
            )
            for row in rows
        }

    async def placed(self, parent_signal_id: str, shards: Sequence[int]) -> list[PlacedOrder]:
        """Lock and list the orders of a PLACE that MODIFY or CANCEL names."""
        return await self._orders("signal_id = $3", shards, parent_signal_id)

    async def entries_at_work(self, signal: Signal, shards: Sequence[int]) -> list[PlacedOrder]:
        """Lock and list the entries of the strategy that an EXIT must stop."""
        return await self._orders(
            "strategy_id = $3 AND instrument = $4 AND product = $5 AND seq < $6"
            " AND action = 'PLACE'",
            shards,
            signal.strategy_id,
            signal.instrument,
            signal.product,
            signal.seq,
        )

    async def cancel_unsent(self, order_ids: Sequence[str], shards: Sequence[int]) -> None:
        reason = SkipReason.MASTER_CANCELLED
        await self.connection.execute(
            _CANCEL_UNSENT, order_ids, self.broker, shards, reason, SKIP_SENTENCES[reason]
        )

    async def change_unsent(
        self, signal: Signal, changes: Sequence[tuple[str, OrderTerms, bytes]]
    ) -> None:
        terms = signal.terms
        if not changes or terms is None:
            return
        rows = await self.connection.fetch(
            _CHANGE_UNSENT,
            [order_id for order_id, _, _ in changes],
            [changed.quantity for _, changed, _ in changes],
            [frozen for _, _, frozen in changes],
            self.broker,
            terms.order_type,
            terms.limit_price,
            terms.trigger_price,
        )
        self._due(signal, rows)

    async def add_commands(
        self,
        signal: Signal,
        kind: str,
        wanted: Sequence[tuple[PlacedOrder, int | None]],
    ) -> None:
        """Ask for a change of orders at the broker; `wanted` pairs each with its new quantity."""
        if not wanted:
            return
        terms = signal.terms if kind == "MODIFY" else None
        accounts = {order.order_id: order.account_id for order, _ in wanted}
        rows = await self.connection.fetch(
            _ADD_COMMANDS,
            [order.order_id for order, _ in wanted],
            [quantity for _, quantity in wanted],
            kind,
            signal.signal_id,
            terms.order_type if terms else None,
            terms.limit_price if terms else None,
            terms.trigger_price if terms else None,
            signal.expires_at,
        )
        self.due += [
            Due(
                order_id=row["order_id"],
                version=0,
                account_id=accounts[row["order_id"]],
                instrument=signal.instrument,
                urgent=kind == "CANCEL",
                command=row["n"],
            )
            for row in rows
        ]

    async def bury(self, dead: Iterable[Undecodable]) -> None:
        for letter in dead:
            await self.connection.execute(
                _BURY,
                letter.topic,
                letter.partition,
                letter.offset,
                letter.key,
                letter.raw,
                dict(letter.headers),
                letter.error,
            )

    async def _orders(
        self, condition: str, shards: Sequence[int], *values: object
    ) -> list[PlacedOrder]:
        rows = await self.connection.fetch(
            f"""SELECT order_id, account_id, follow_id, state, instrument, side, product, validity
            FROM executor.orders
            WHERE broker = $1 AND shard = ANY($2::int[]) AND {condition}
            ORDER BY order_id FOR UPDATE""",
            self.broker,
            shards,
            *values,
        )
        return [
            PlacedOrder(
                order_id=row["order_id"],
                account_id=row["account_id"],
                follow_id=row["follow_id"],
                state=OrderState(row["state"]),
                instrument=row["instrument"],
                side=Side(row["side"]),
                product=Product(row["product"]),
                validity=Validity(row["validity"]),
            )
            for row in rows
        ]

    def _due(self, signal: Signal, rows: Sequence[asyncpg.Record]) -> None:
        self.due += [
            Due(
                order_id=row["order_id"],
                version=row["version"],
                account_id=row["account_id"],
                instrument=signal.instrument,
                urgent=signal.action.reduces_risk,
            )
            for row in rows
        ]


def _columns(orders: Sequence[PlannedOrder]) -> list[list[object]]:
    """Turn orders into the arrays of the insert, in its order."""
    return [
        [o.order_id for o in orders],
        [o.client_order_id for o in orders],
        [o.account_id for o in orders],
        [o.shard for o in orders],
        [o.follow_id for o in orders],
        [o.user_id for o in orders],
        [o.environment for o in orders],
        [o.side for o in orders],
        [o.terms.quantity for o in orders],
        [o.algo_id for o in orders],
        [o.request_hash for o in orders],
        [o.state for o in orders],
        [o.reason for o in orders],
        [o.message for o in orders],
    ]
