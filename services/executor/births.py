"""SQL that writes new orders. One whose follower is ready is born SENDING: decision 0009.

The insert carries every clause of the claim (claiming.py): lease, expiry, stops and doubts are
tested in the statement whose commit is the write-ahead. What a clause refuses is born PLANNED, and
dispatch finds out why.
"""

import time
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field

import asyncpg

from libs.runtime.crashpoints import Crashpoint, crashpoint
from libs.trading.orders import OrderIntent
from libs.trading.signals import Signal
from libs.trading.states import OrderState
from services.executor.rows import WRITE_WITHIN_S, Claim, Due, Holding, PlannedOrder
from services.executor.statements import (
    ENTRY_STOP,
    HISTORY_OF_MOVED,
    IN_DOUBT,
    Connection,
    lease_held,
)

# Texts where the columns are uuids: the server parses them faster than this process packs them.
_INSERT = f"""
WITH moved AS (
    INSERT INTO executor.orders (
        order_id, client_order_id, signal_id, account_id, broker, shard, master_id, strategy_id,
        follow_id, user_id, seq, environment, action, instrument, side, product, validity,
        order_type, quantity, limit_price, trigger_price, algo_id, request_hash, reason, message,
        accepted_at, expires_at, state, attempts, sent_at, deadline, due_at)
    SELECT o.order_id, o.client_order_id, $2, o.account_id, o.broker, o.shard, o.master_id,
        o.strategy_id, o.follow_id, o.user_id, $5, o.environment, $6, o.instrument, o.side, $8, $9,
        $10, o.quantity, $11, $12, o.algo_id, o.request_hash, o.reason, o.message,
        $13, o.expires_at, CASE WHEN leaves THEN 'SENDING' ELSE o.state END, leaves::int,
        CASE WHEN leaves THEN clock_timestamp() END,
        CASE WHEN leaves THEN clock_timestamp() + make_interval(secs => $18) END,
        clock_timestamp() + CASE WHEN leaves THEN make_interval(secs => $18) ELSE '0' END
    FROM (SELECT n.order_id::uuid, client_order_id, n.account_id::uuid, shard, n.follow_id::uuid,
            n.user_id::uuid, environment, side, quantity, algo_id, request_hash, state, reason,
            message, ready, $1::text AS broker, $3::uuid AS master_id, $4::uuid AS strategy_id,
            $7::text AS instrument, $14::timestamptz AS expires_at
        FROM unnest($19::text[], $20::text[], $21::text[], $22::int[], $23::text[], $24::text[],
            $25::text[], $26::text[], $27::bigint[], $28::text[], $29::bytea[], $30::text[],
            $31::text[], $32::text[], $33::bool[])
            AS n (order_id, client_order_id, account_id, shard, follow_id, user_id, environment,
                side, quantity, algo_id, request_hash, state, reason, message, ready)) AS o
    CROSS JOIN LATERAL (SELECT o.ready AND o.expires_at > clock_timestamp()
        AND {lease_held("$15", "$16", "$17")}
        AND ($6 = 'EXIT' OR (({ENTRY_STOP}) IS NULL AND NOT {IN_DOUBT})) AS leaves) AS claim
    ON CONFLICT (signal_id, account_id, leg, issue) DO NOTHING
    RETURNING *
), history AS ({HISTORY_OF_MOVED}), planned AS (
    INSERT INTO executor.inbox (broker, shard, signal_id, master_id, seq)
    SELECT $1, shard, $2, $3, $5 FROM unnest($34::int[]) AS shard
    ON CONFLICT DO NOTHING
), last AS (
    INSERT INTO executor.planned_seqs (broker, shard, master_id, seq)
    SELECT $1, shard, $3, $5 FROM unnest($34::int[]) AS shard
    ON CONFLICT (broker, shard, master_id)
    DO UPDATE SET seq = greatest(planned_seqs.seq, excluded.seq)
)
SELECT client_order_id, version, state FROM moved
"""

Ready = Callable[[PlannedOrder], bool]


@dataclass(frozen=True, slots=True)
class Born:
    """What one committed chunk made: requests to write now, and orders for the lanes."""

    claims: list[Claim] = field(default_factory=list)
    due: list[Due] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Births:
    """`holding` tells the leases of this moment."""

    broker: str
    answer_timeout_s: float
    chunk: int
    holding: Callable[[], Holding]

    async def in_chunks(
        self,
        pool: asyncpg.Pool,
        signal: Signal,
        orders: Sequence[PlannedOrder],
        shards: Sequence[int],
        ready: Ready,
    ) -> AsyncIterator[Born]:
        """Write new orders, each chunk durable before it is handed out.

        The last chunk notes the signal in the inbox: a crash before it has the signal delivered
        again, and the orders that exist already stay as they are.
        """
        chunks = [orders[at : at + self.chunk] for at in range(0, len(orders), self.chunk)]
        for number, chunk in enumerate(chunks or [[]], start=1):
            is_last = number >= len(chunks)
            crashpoint(Crashpoint.PLANNING)
            yield await self.write(pool, signal, chunk, shards if is_last else [], ready)

    async def write(
        self,
        connection: Connection | asyncpg.Pool,
        signal: Signal,
        orders: Sequence[PlannedOrder],
        planned_shards: Sequence[int],
        ready: Ready,
    ) -> Born:
        """Write one chunk. In a transaction, the caller commits before anything is sent."""
        holding = self.holding()
        # Before the statement: whoever is frozen until its answer is read finds it too late.
        not_after = time.monotonic() + WRITE_WITHIN_S
        rows = await connection.fetch(
            _INSERT,
            self.broker,
            signal.signal_id,
            signal.master_id,
            signal.strategy_id,
            signal.seq,
            signal.action.value,
            signal.instrument,
            signal.product,
            signal.validity,
            signal.terms.order_type if signal.terms else None,
            signal.terms.limit_price if signal.terms else None,
            signal.terms.trigger_price if signal.terms else None,
            signal.stamps.accepted_at,
            signal.expires_at,
            list(holding.epochs),
            list(holding.epochs.values()),
            holding.owner,
            self.answer_timeout_s,
            *_columns(orders),
            [order.state is OrderState.PLANNED and ready(order) for order in orders],
            planned_shards,
        )
        by_tag = {order.client_order_id: order for order in orders}
        born = Born()
        for tag, version, state in rows:
            if state == OrderState.SENDING:
                born.claims.append(_claim(by_tag[tag], version, not_after))
            elif state == OrderState.PLANNED:
                born.due.append(_due(by_tag[tag], version))
        return born


def _claim(order: PlannedOrder, version: int, not_after: float) -> Claim:
    return Claim(
        order_id=order.order_id,
        version=version,
        user_id=order.user_id,
        signal_id=order.signal_id,
        not_after=not_after,
        intent=OrderIntent(
            client_order_id=order.client_order_id,
            account_id=order.account_id,
            instrument=order.instrument,
            side=order.side,
            product=order.product,
            validity=order.validity,
            algo_id=order.algo_id,
            terms=order.terms,
        ),
    )


def _due(order: PlannedOrder, version: int) -> Due:
    return Due(
        order_id=order.order_id,
        version=version,
        leaving=order.leaving,
    )


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
