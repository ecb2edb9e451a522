"""SQL of capture: what is captured, the orders seen there, and what they add up to."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import asyncpg

from libs.trading.orders import OrderStatus, OrderTerms, OrderType, Product, Side
from libs.trading.signals import CopyMode, SignalAction
from services.signal.capture_decision import OVER, Capture, CapturedOrder, Held
from services.signal.report_storage import keep_fill

_WAIT_S = 2
# Longer than the bus keeps what might come again.
_ORDERS_KEPT_DAYS = 8
_CAPTURE = """
select c.strategy_id, c.master_id, c.account_id, c.broker, c.broker_client_id, c.is_on, c.began_at,
    s.copy_mode,
    exists (
        select from signal.follows f join auth.accounts_now a using (account_id)
        where f.until_seq is null and a.broker = c.broker
            and a.broker_client_id = c.broker_client_id
    ) as follows_too
from signal.captures c join signal.strategies s using (strategy_id)
"""
_ORDER = (
    "broker_order_id, placed_at, status, instrument, side, product, order_type, quantity,"
    " limit_price, trigger_price, filled_quantity, action, signal_id, changes, problem, feed_at,"
    " feed_received_at"
)


class LoginTaken(Exception):
    """Another strategy captures this broker login already."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CaptureChange:
    strategy_id: str
    master_id: str
    account_id: str
    broker: str
    broker_client_id: str
    is_on: bool


class CaptureRepository:
    """Captures in Postgres; away, it raises `postgres.UNREACHABLE`."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    async def captures_on(self) -> Mapping[str, Capture]:
        rows = await self._rows(f"{_CAPTURE} where c.is_on")
        return {row["account_id"]: _capture(row) for row in rows}

    async def capture_of(self, master_id: str, strategy_id: str) -> Capture | None:
        row = await self._row(
            f"{_CAPTURE} where c.strategy_id = $1 and c.master_id = $2", strategy_id, master_id
        )
        return _capture(row) if row else None

    async def login_follows(self, broker: str, broker_client_id: str) -> bool:
        """Say whether an account with this login follows anybody now."""
        row = await self._row(
            """
            select from signal.follows f join auth.accounts_now a using (account_id)
            where f.until_seq is null and a.broker = $1 and a.broker_client_id = $2 limit 1
            """,
            broker,
            broker_client_id,
        )
        return row is not None

    async def change(self, change: CaptureChange) -> None:
        """Turn it on or off. Turning on, or to another account, begins anew. Raise `LoginTaken`."""
        try:
            await self._rows(
                """
                insert into signal.captures as c (strategy_id, master_id, account_id, broker,
                    broker_client_id, is_on)
                values ($1, $2, $3, $4, $5, $6)
                on conflict (strategy_id) do update set account_id = excluded.account_id,
                    broker = excluded.broker, broker_client_id = excluded.broker_client_id,
                    is_on = excluded.is_on, changed_at = clock_timestamp(),
                    began_at = case
                        when excluded.is_on and c.is_on and c.account_id = excluded.account_id
                        then c.began_at
                        when excluded.is_on then clock_timestamp() else c.began_at end
                """,
                change.strategy_id,
                change.master_id,
                change.account_id,
                change.broker,
                change.broker_client_id,
                change.is_on,
            )
        except asyncpg.UniqueViolationError as error:
            raise LoginTaken(change.broker_client_id) from error

    async def order(self, capture: Capture, broker_order_id: str) -> CapturedOrder | None:
        row = await self._row(
            f"select {_ORDER} from signal.captured_orders"  # noqa: S608  # constant
            " where account_id = $1 and broker_order_id = $2 and strategy_id = $3",
            capture.account_id,
            broker_order_id,
            capture.strategy_id,
        )
        return _order(row) if row else None

    async def orders(
        self, strategy_id: str, *, before: tuple[datetime, str] | None, limit: int
    ) -> list[CapturedOrder]:
        """List the strategy's captured orders, newest first."""
        at, order_id = before or (None, None)
        rows = await self._rows(
            f"""
            select {_ORDER} from signal.captured_orders
            where strategy_id = $1
                and ($2::timestamptz is null or (placed_at, broker_order_id) < ($2, $3))
            order by placed_at desc, broker_order_id desc limit $4
            """,  # noqa: S608  # constant
            strategy_id,
            at,
            order_id,
            limit,
        )
        return [_order(row) for row in rows]

    async def held(self, capture: Capture, instrument: str, product: str) -> Held:
        """Sum up what the copied orders of an account hold, and what its exits at work close."""
        row = await self._row(
            """
            select (
                select net_quantity from signal.captured_positions
                where account_id = $1 and strategy_id = $2 and instrument = $3 and product = $4
            ) as net, (
                select sum(quantity - filled_quantity) from signal.captured_orders
                where account_id = $1 and strategy_id = $2 and instrument = $3 and product = $4
                    and action = 'EXIT' and status <> all($5::text[])
            ) as closing, (
                select sum(quantity - filled_quantity) from signal.captured_orders
                where account_id = $1 and strategy_id = $2 and instrument = $3 and product = $4
                    and action = 'PLACE' and status <> all($5::text[])
            ) as opening
            """,
            capture.account_id,
            capture.strategy_id,
            instrument,
            product,
            [status.value for status in OVER],
        )
        return Held(**{name: int(sum_ or 0) for name, sum_ in row.items()}) if row else Held()

    async def keep(self, capture: Capture, order: CapturedOrder) -> None:
        """Write an order down; what a copied one filled since goes into the position, once."""
        async with self._pool.acquire(timeout=_WAIT_S) as connection, connection.transaction():
            counted = await connection.fetchval(
                """
                select filled_quantity from signal.captured_orders
                where account_id = $1 and broker_order_id = $2 for update
                """,
                capture.account_id,
                order.broker_order_id,
            )
            await connection.execute(_KEEP, *_values(capture, order))
            filled = order.filled_quantity - (counted or 0)
            if order.signal_id is not None and order.side is not None and filled > 0:
                await connection.execute(
                    _ADD,
                    capture.account_id,
                    capture.strategy_id,
                    order.instrument,
                    order.product,
                    order.side.sign * filled,
                )
            copies_orders = capture.copy_mode is CopyMode.ORDERS
            if copies_orders and order.signal_id and order.filled_quantity and order.average_price:
                await keep_fill(
                    connection, order.signal_id, order.filled_quantity, order.average_price
                )
            if counted is None:
                await connection.execute(_FORGET, capture.account_id, _ORDERS_KEPT_DAYS)

    async def _row(self, query: str, *arguments: object) -> asyncpg.Record | None:
        async with self._pool.acquire(timeout=_WAIT_S) as connection:
            return await connection.fetchrow(query, *arguments)

    async def _rows(self, query: str, *arguments: object) -> list[asyncpg.Record]:
        async with self._pool.acquire(timeout=_WAIT_S) as connection:
            rows: list[asyncpg.Record] = await connection.fetch(query, *arguments)
            return rows


_KEEP = f"""
insert into signal.captured_orders (account_id, strategy_id, {_ORDER})
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19)
on conflict (account_id, broker_order_id) do update set status = excluded.status,
    order_type = excluded.order_type, quantity = excluded.quantity,
    limit_price = excluded.limit_price, trigger_price = excluded.trigger_price,
    filled_quantity = excluded.filled_quantity, changes = excluded.changes,
    problem = excluded.problem, feed_at = excluded.feed_at,
    feed_received_at = excluded.feed_received_at, changed_at = clock_timestamp()
"""  # noqa: S608  # constant
_ADD = """
insert into signal.captured_positions as p (account_id, strategy_id, instrument, product,
    net_quantity) values ($1, $2, $3, $4, $5)
on conflict (account_id, strategy_id, instrument, product)
do update set net_quantity = p.net_quantity + excluded.net_quantity
"""
_FORGET = """
delete from signal.captured_orders
where account_id = $1 and changed_at < clock_timestamp() - make_interval(days => $2)
"""


def _capture(row: asyncpg.Record) -> Capture:
    return Capture(**{**row, "copy_mode": CopyMode(row["copy_mode"])})


def _values(capture: Capture, order: CapturedOrder) -> list[object]:
    terms = order.terms
    return [
        capture.account_id,
        capture.strategy_id,
        order.broker_order_id,
        order.placed_at,
        order.status.value,
        order.instrument,
        order.side,
        order.product,
        terms.order_type.value if terms else None,
        terms.quantity if terms else None,
        terms.limit_price if terms else None,
        terms.trigger_price if terms else None,
        order.filled_quantity,
        order.action if order.signal_id else None,
        order.signal_id,
        order.changes,
        order.problem,
        order.feed_at,
        order.feed_received_at,
    ]


def _order(row: asyncpg.Record) -> CapturedOrder:
    terms = None
    if row["order_type"] is not None:
        terms = OrderTerms(
            order_type=OrderType(row["order_type"]),
            quantity=row["quantity"],
            limit_price=row["limit_price"],
            trigger_price=row["trigger_price"],
        )
    return CapturedOrder(
        broker_order_id=row["broker_order_id"],
        placed_at=row["placed_at"],
        status=OrderStatus(row["status"]),
        instrument=row["instrument"],
        side=Side(row["side"]) if row["side"] else None,
        product=Product(row["product"]) if row["product"] else None,
        terms=terms,
        filled_quantity=row["filled_quantity"],
        action=SignalAction(row["action"]) if row["action"] else None,
        signal_id=row["signal_id"],
        changes=row["changes"],
        problem=row["problem"],
        feed_at=row["feed_at"],
        feed_received_at=row["feed_received_at"],
    )
