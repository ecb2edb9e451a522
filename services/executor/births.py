"""SQL that writes new orders. One whose follower is ready is born SENDING: decision 0009.

The insert carries every clause of the claim (claiming.py): lease, expiry, stops and doubts are
tested in the statement whose commit is the write-ahead. What a clause refuses is born PLANNED, and
dispatch finds out why.
"""

import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import asyncpg

from libs.runtime.crashpoints import Crashpoint, crashpoint
from libs.trading.orders import OrderIntent
from libs.trading.signals import Signal
from libs.trading.states import OrderState
from services.executor.rows import WRITE_WITHIN_S, Claim, Due, Holding, PlannedOrder, Shape
from services.executor.statements import (
    ENTRY_STOP,
    HISTORY_OF_MOVED,
    IN_DOUBT,
    Connection,
    lease_held,
)

# What differs from order to order comes as array literals: the server reads one faster than this
# process packs a list. What orders share comes once per shape.
_INSERT = f"""
WITH moved AS (
    INSERT INTO executor.orders (
        order_id, client_order_id, signal_id, account_id, broker, shard, master_id, strategy_id,
        follow_id, user_id, leg, seq, environment, action, instrument, side, product, validity,
        order_type, quantity, limit_price, trigger_price, algo_id, request_hash, reason, message,
        figures, accepted_at, expires_at, state, attempts, sent_at, deadline, due_at)
    SELECT o.order_id, o.client_order_id, $2, o.account_id, o.broker, o.shard, o.master_id,
        o.strategy_id, o.follow_id, o.user_id, o.leg, $5, o.environment, $6, o.instrument, o.side,
        $8, $9, o.order_type, o.quantity, o.limit_price, o.trigger_price, o.algo_id,
        o.request_hash, o.reason, o.message, o.figures, $10, o.expires_at,
        CASE WHEN leaves THEN 'SENDING' ELSE o.state END, leaves::int,
        CASE WHEN leaves THEN clock_timestamp() END,
        CASE WHEN leaves THEN clock_timestamp() + make_interval(secs => $15) END,
        clock_timestamp() + CASE WHEN leaves THEN make_interval(secs => $15) ELSE '0' END
    FROM (SELECT n.*, s.*, $1::text AS broker, $3::uuid AS master_id, $4::uuid AS strategy_id,
            $7::text AS instrument, $11::timestamptz AS expires_at
        FROM unnest($16::text::uuid[], $17::text::text[], $18::text::uuid[], $19::text::int[],
            $20::text::uuid[], $21::text::uuid[], $22::text::smallint[], $23::text::int[],
            $24::text::bool[])
            AS n (order_id, client_order_id, account_id, shard, follow_id, user_id, leg, shape,
                ready)
        JOIN unnest($25::text[], $26::text[], $27::text[], $28::bigint[], $29::numeric[],
            $30::numeric[], $31::text[], $32::bytea[], $33::text[], $34::text[], $35::text[],
            $36::jsonb[])
            WITH ORDINALITY AS s (environment, side, order_type, quantity, limit_price,
                trigger_price, algo_id, request_hash, state, reason, message, figures, number)
            ON n.shape = s.number) AS o
    CROSS JOIN LATERAL (SELECT o.ready AND o.expires_at > clock_timestamp()
        AND {lease_held("$12", "$13", "$14")}
        AND ($6 = 'EXIT' OR (({ENTRY_STOP}) IS NULL AND NOT {IN_DOUBT})) AS leaves) AS claim
    ON CONFLICT (signal_id, account_id, leg, issue) DO NOTHING
    RETURNING *
), history AS ({HISTORY_OF_MOVED}), planned AS (
    INSERT INTO executor.inbox (broker, shard, signal_id, master_id, seq)
    SELECT $1, shard, $2, $3, $5 FROM unnest($37::int[]) AS shard
    ON CONFLICT DO NOTHING
), last AS (
    INSERT INTO executor.planned_seqs (broker, shard, master_id, seq)
    SELECT $1, shard, $3, $5 FROM unnest($37::int[]) AS shard
    ON CONFLICT (broker, shard, master_id)
    DO UPDATE SET seq = greatest(planned_seqs.seq, excluded.seq)
)
SELECT client_order_id, version, state FROM moved
"""

Ready = Callable[[PlannedOrder], bool]


@dataclass(frozen=True, slots=True)
class Born:
    """What one committed chunk made: requests to write now, and what the lanes wait for.

    `orders` are those of both that are new.
    """

    claims: list[Claim] = field(default_factory=list)
    due: list[Due] = field(default_factory=list)
    orders: list[PlannedOrder] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Births:
    """`holding` tells the leases of this moment; one commit takes at most `chunk` orders."""

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
        for chunk, is_last in _growing(orders, self.chunk):
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
            signal.stamps.accepted_at,
            signal.expires_at,
            list(holding.epochs),
            list(holding.epochs.values()),
            holding.owner,
            self.answer_timeout_s,
            *_columns(orders, ready),
            planned_shards,
        )
        by_tag = {order.client_order_id: order for order in orders}
        born = Born()
        for tag, version, state in rows:
            if state != OrderState.SKIPPED:
                born.orders.append(by_tag[tag])
            if state == OrderState.SENDING:
                born.claims.append(_claim(by_tag[tag], version, not_after))
            elif state == OrderState.PLANNED:
                born.due.append(_due(by_tag[tag], version))
        return born


def _growing(
    orders: Sequence[PlannedOrder], most: int
) -> Iterator[tuple[Sequence[PlannedOrder], bool]]:
    """Cut into chunks, small ones first: the first orders leave soon, the others cost less.

    Yields each chunk with whether it is the last one; no orders are one empty chunk.
    """
    at, size = 0, max(most // 4, 1)
    while True:
        chunk = orders[at : at + size]
        at, size = at + size, min(size * 2, most)
        yield chunk, at >= len(orders)
        if at >= len(orders):
            return


def _claim(order: PlannedOrder, version: int, not_after: float) -> Claim:
    shape = order.shape
    signal = shape.signal
    return Claim(
        order_id=order.order_id,
        version=version,
        user_id=order.user_id,
        signal_id=signal.signal_id,
        not_after=not_after,
        intent=OrderIntent(
            client_order_id=order.client_order_id,
            account_id=order.account_id,
            instrument=signal.instrument,
            side=shape.side,
            product=shape.product,
            validity=signal.validity,
            algo_id=shape.algo_id,
            terms=shape.terms,
        ),
    )


def _due(order: PlannedOrder, version: int) -> Due:
    return Due(
        order_id=order.order_id,
        version=version,
        leaving=order.leaving,
    )


def _columns(orders: Sequence[PlannedOrder], ready: Ready) -> list[object]:
    """Turn orders into the arrays of the insert, in its order."""
    shapes: dict[Shape, int] = {}
    for order in orders:
        shapes.setdefault(order.shape, len(shapes) + 1)
    names = zip(*(order[:-1] for order in orders), strict=True) if orders else [()] * 7
    may_leave = (o.shape.state is OrderState.PLANNED and ready(o) for o in orders)
    return [
        *(_literal(column) for column in names),
        _literal(shapes[order.shape] for order in orders),
        _literal(may_leave),
        [s.environment for s in shapes],
        [s.side for s in shapes],
        [s.terms.order_type for s in shapes],
        [s.terms.quantity for s in shapes],
        [s.terms.limit_price for s in shapes],
        [s.terms.trigger_price for s in shapes],
        [s.algo_id for s in shapes],
        [s.request_hash for s in shapes],
        [s.state for s in shapes],
        [s.reason for s in shapes],
        [s.message for s in shapes],
        [s.figures for s in shapes],
    ]


def _literal(values: Iterable[object]) -> str:
    """Write an array of ids, tags, numbers or truths, none of which needs quotes."""
    return "{" + ",".join(map(str, values)) + "}"
