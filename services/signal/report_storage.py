"""SQL that writes the copy reports: orders and signals as the bus told, and what grew too old."""

from collections.abc import Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import asyncpg

from libs.runtime.outbox import OutboxMessage, enqueue
from services.signal.records import signal_from
from services.signal.report_events import OrderNews, PublishedSignal
from services.signal.repository_counter import SCHEMA

if TYPE_CHECKING:
    from asyncpg.pool import PoolConnectionProxy

_WAIT_S = 5
# Packing one costs 20 microseconds of this process in one go, in which no signal is taken.
_ROWS_AT_ONCE = 200

_ORDER_TYPES = {
    "order_id": "uuid", "version": "bigint", "signal_id": "uuid", "follow_id": "uuid",
    "strategy_id": "uuid", "master_id": "uuid", "user_id": "uuid", "account_id": "uuid",
    "broker": "text", "environment": "text", "action": "text", "instrument": "text",
    "side": "text", "product": "text", "order_type": "text", "quantity": "bigint",
    "limit_price": "numeric", "trigger_price": "numeric", "state": "text", "reason": "text",
    "message": "text", "figures": "jsonb", "filled_quantity": "bigint", "average_price": "numeric",
    "accepted_at": "timestamptz", "planned_at": "timestamptz", "sent_at": "timestamptz",
    "acknowledged_at": "timestamptz", "filled_at": "timestamptz", "changed_at": "timestamptz",
}  # fmt: skip
_SIGNAL_TYPES = {
    "signal_id": "uuid", "master_id": "uuid", "strategy_id": "uuid", "seq": "bigint",
    "action": "text", "parent_signal_id": "uuid", "order_type": "text", "limit_price": "numeric",
    "broker_event_at": "timestamptz", "accepted_at": "timestamptz", "published_at": "timestamptz",
}  # fmt: skip
_EARLIEST = ("acknowledged_at", "filled_at")


def _unnested(types: dict[str, str]) -> str:
    """Spell rows as one array per column."""
    arrays = ", ".join(f"${at}::{kind}[]" for at, kind in enumerate(types.values(), start=1))
    return f"unnest({arrays}) as new ({', '.join(types)})"


def _newest(column: str) -> str:
    if column in _EARLIEST:
        return f"{column} = least(kept.{column}, excluded.{column})"
    return (
        f"{column} = case when excluded.version > kept.version"
        f" then excluded.{column} else kept.{column} end"
    )


_KEEP_ORDERS = f"""
insert into signal.report_orders as kept ({", ".join(_ORDER_TYPES)})
select {", ".join(_ORDER_TYPES)} from {_unnested(_ORDER_TYPES)}
where planned_at > clock_timestamp() - make_interval(days => ${len(_ORDER_TYPES) + 1})
order by order_id
on conflict (order_id) do update set {", ".join(map(_newest, list(_ORDER_TYPES)[1:]))}
where excluded.version > kept.version
    or least(kept.acknowledged_at, excluded.acknowledged_at)
        is distinct from kept.acknowledged_at
    or least(kept.filled_at, excluded.filled_at) is distinct from kept.filled_at
"""  # noqa: S608  # constants
_KEEP_SIGNALS = f"""
insert into signal.report_signals as kept ({", ".join(_SIGNAL_TYPES)})
select {", ".join(_SIGNAL_TYPES)} from {_unnested(_SIGNAL_TYPES)}
where accepted_at > clock_timestamp() - make_interval(days => ${len(_SIGNAL_TYPES) + 1})
order by signal_id
on conflict (signal_id) do update
set published_at = least(kept.published_at, excluded.published_at)
where least(kept.published_at, excluded.published_at) is distinct from kept.published_at
"""  # noqa: S608  # constants
_KEEP_FILL = """
insert into signal.report_fills as kept (signal_id, filled_quantity, average_price)
values ($1, $2, $3)
on conflict (signal_id) do update set filled_quantity = excluded.filled_quantity,
    average_price = excluded.average_price, changed_at = clock_timestamp()
where excluded.filled_quantity >= kept.filled_quantity
"""
# The bus keeps signals for a shorter time than what became of them.
_NOT_KEPT = """
select payload from signal.signals
where signal_id = any($1::uuid[])
    and signal_id not in (
        select signal_id from signal.report_signals where signal_id = any($1::uuid[])
    )
"""
_FORGET = """
with old as (
    select {key} from signal.{table}
    where {at} < clock_timestamp() - make_interval(days => $1)
    order by {at} limit $2 for update skip locked
)
delete from signal.{table} where {key} in (select {key} from old)
"""
_FORGET_ORDERS = _FORGET.format(table="report_orders", key="order_id", at="planned_at")
_FORGET_SIGNALS = _FORGET.format(table="report_signals", key="signal_id", at="accepted_at")
_FORGET_FILLS = _FORGET.format(table="report_fills", key="signal_id", at="changed_at")


class ReportStorage:
    """Writes on a pool of its own, so that reports never wait in front of a signal."""

    def __init__(self, pool: asyncpg.Pool, *, days: int) -> None:
        self._pool = pool
        self._days = days

    async def keep(
        self,
        orders: Sequence[OrderNews],
        signals: Sequence[PublishedSignal],
        dead: Sequence[OutboxMessage],
    ) -> None:
        """Write a batch, and what nobody could read to the outbox, in one transaction."""
        async with (
            self._pool.acquire(timeout=_WAIT_S) as connection,
            connection.transaction(),
        ):
            if signals:
                await _keep_signals(connection, signals, self._days)
            if orders:
                await _keep_signals(connection, await _not_kept(connection, orders), self._days)
                await _keep_orders(connection, orders, self._days)
            await enqueue(connection, SCHEMA, dead)

    async def forget(self, *, rows_max: int) -> int:
        """Delete some of what is older than reports reach; return how many rows that were."""
        async with self._pool.acquire(timeout=_WAIT_S) as connection:
            done = [
                await connection.execute(statement, self._days, rows_max)
                for statement in (_FORGET_ORDERS, _FORGET_SIGNALS, _FORGET_FILLS)
            ]
        return sum(int(tag.rpartition(" ")[2]) for tag in done)


async def keep_fill(
    connection: "PoolConnectionProxy", signal_id: str, quantity: int, price: Decimal
) -> None:
    """Note what a master's own order got so far; capture does it in its own transaction."""
    await connection.execute(_KEEP_FILL, signal_id, quantity, price)


async def _keep_orders(
    connection: "PoolConnectionProxy", orders: Sequence[OrderNews], days: int
) -> None:
    for at in range(0, len(orders), _ROWS_AT_ONCE):
        rows = [_order_row(news) for news in orders[at : at + _ROWS_AT_ONCE]]
        await connection.execute(_KEEP_ORDERS, *_columns(rows), days)


async def _not_kept(
    connection: "PoolConnectionProxy", orders: Sequence[OrderNews]
) -> list[PublishedSignal]:
    rows = await connection.fetch(_NOT_KEPT, sorted({news.newest.signal_id for news in orders}))
    return [PublishedSignal(signal=signal_from(row["payload"])) for row in rows]


async def _keep_signals(
    connection: "PoolConnectionProxy", signals: Sequence[PublishedSignal], days: int
) -> None:
    # One statement cannot write a row twice; of a repeated record the first stamp counts.
    once = {read.signal.signal_id: read for read in reversed(signals)}
    if once:
        rows = [_signal_row(read) for read in once.values()]
        await connection.execute(_KEEP_SIGNALS, *_columns(rows), days)


def _columns(rows: Sequence[tuple[Any, ...]]) -> list[list[Any]]:
    return [list(column) for column in zip(*rows, strict=True)]


def _order_row(news: OrderNews) -> tuple[Any, ...]:
    order = news.newest
    return (
        order.order_id,
        order.version,
        order.signal_id,
        order.follow_id,
        order.strategy_id,
        order.master_id,
        order.user_id,
        order.account_id,
        order.broker,
        order.environment,
        order.action,
        order.instrument,
        order.side.value,
        order.product.value,
        order.terms.order_type.value,
        order.terms.quantity,
        order.terms.limit_price,
        order.terms.trigger_price,
        order.state.value,
        order.reason,
        order.message,
        order.figures or None,
        order.filled_quantity,
        order.average_price,
        order.accepted_at,
        order.planned_at,
        order.sent_at,
        news.acknowledged_at,
        news.filled_at,
        order.at,
    )


def _signal_row(read: PublishedSignal) -> tuple[Any, ...]:
    signal = read.signal
    return (
        signal.signal_id,
        signal.master_id,
        signal.strategy_id,
        signal.seq,
        signal.action.value,
        signal.parent_signal_id,
        signal.terms.order_type.value if signal.terms else None,
        signal.terms.limit_price if signal.terms else None,
        signal.stamps.broker_event_at,
        signal.stamps.accepted_at,
        read.published_at,
    )
