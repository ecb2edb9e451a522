"""SQL of one trading day: what the ledger says was ordered and filled, by account and by shard."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, time, timedelta
from uuid import UUID

import asyncpg

from libs.trading.accounts import Account
from libs.trading.calendar import instant_in_india
from libs.trading.orders import Side, Trade
from libs.trading.states import OrderState
from services.executor.standings import Counted

# Order ids grow with time, so a day is a range of the primary key.
_TRADED = """
SELECT DISTINCT account_id FROM executor.orders
WHERE order_id >= $1 AND broker = $2 AND shard = ANY($3::int[]) AND filled_quantity > 0
"""
# By the user, whose index has the order ids in it.
_ORDERED = """
SELECT o.account_id, o.strategy_id, count(*) AS n
FROM unnest($1::uuid[], $2::uuid[]) AS a (account_id, user_id)
JOIN executor.orders o ON o.user_id = a.user_id AND o.account_id = a.account_id
    AND o.order_id >= $3 AND o.order_id < $4 AND o.state <> 'SKIPPED'
GROUP BY GROUPING SETS ((o.account_id), (o.account_id, o.strategy_id))
"""
_FILLS = """
SELECT instrument,
    sum(CASE side WHEN 'BUY' THEN filled_quantity ELSE -filled_quantity END)::bigint AS net
FROM executor.orders
WHERE account_id = $1 AND order_id >= $2 AND order_id < $3 AND filled_quantity > 0
GROUP BY instrument
"""
_OURS_AMONG = """
SELECT broker_order_id, client_order_id FROM executor.orders
WHERE account_id = $1 AND broker_order_id = ANY($2::text[]) AND order_id >= $4
UNION
SELECT broker_order_id, client_order_id FROM executor.orders
WHERE account_id = $1 AND client_order_id = ANY($3::text[]) AND order_id >= $4
"""
# What was sent on the day, and whatever earlier days left open.
_OF_SHARD = """
SELECT order_id, version, state, account_id, client_order_id, broker_order_id, instrument, side,
    filled_quantity
FROM executor.orders
WHERE broker = $1 AND shard = $2 AND order_id >= $3 AND order_id < $4
    AND state NOT IN ('PLANNED', 'HELD', 'SKIPPED')
UNION
SELECT order_id, version, state, account_id, client_order_id, broker_order_id, instrument, side,
    filled_quantity
FROM executor.orders
WHERE broker = $1 AND shard = $2 AND order_id < $4 AND state IN ('ACKED', 'OPEN', 'PARTIAL')
ORDER BY account_id, order_id
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class DayOrder:
    order_id: str
    version: int
    state: OrderState
    account_id: str
    client_order_id: str
    broker_order_id: str | None
    instrument: str
    side: Side
    filled_quantity: int

    def has(self, trade: Trade) -> bool:
        """Tell whether a trade is of this order."""
        if self.broker_order_id is not None:
            return trade.broker_order_id == self.broker_order_id
        return trade.client_order_id == self.client_order_id


@dataclass(frozen=True, slots=True)
class DayRows:
    pool: asyncpg.Pool
    broker: str

    async def traded(self, shards: Sequence[int], day: date) -> list[str]:
        """List accounts in which an order of ours was filled since the day began."""
        rows = await self.pool.fetch(_TRADED, first_id(day), self.broker, shards)
        return [row["account_id"] for row in rows]

    async def ordered(self, accounts: Sequence[Account], day: date) -> dict[Counted, int]:
        """Count the orders planned and not skipped, by account and by strategy of it."""
        rows = await self.pool.fetch(
            _ORDERED,
            [account.account_id for account in accounts],
            [account.user_id for account in accounts],
            first_id(day),
            _next_id(day),
        )
        return {(row["account_id"], row["strategy_id"]): row["n"] for row in rows}

    async def fills(self, account_id: str, day: date) -> dict[str, int]:
        """Return the net quantity our orders of the day filled, by instrument."""
        rows = await self.pool.fetch(_FILLS, account_id, first_id(day), _next_id(day))
        return {row["instrument"]: row["net"] for row in rows}

    async def foreign(self, account_id: str, day: date, trades: Iterable[Trade]) -> list[Trade]:
        """Keep the trades that are of no order of ours."""
        trades = list(trades)
        rows = await self.pool.fetch(
            _OURS_AMONG,
            account_id,
            [trade.broker_order_id for trade in trades],
            [trade.client_order_id for trade in trades if trade.client_order_id],
            first_id(day),
        )
        ids = {row["broker_order_id"] for row in rows}
        tags = {row["client_order_id"] for row in rows}
        return [t for t in trades if t.broker_order_id not in ids and t.client_order_id not in tags]

    async def of_shard(self, shard: int, day: date) -> list[DayOrder]:
        rows = await self.pool.fetch(_OF_SHARD, self.broker, shard, first_id(day), _next_id(day))
        return [
            DayOrder(
                order_id=row["order_id"],
                version=row["version"],
                state=OrderState(row["state"]),
                account_id=row["account_id"],
                client_order_id=row["client_order_id"],
                broker_order_id=row["broker_order_id"],
                instrument=row["instrument"],
                side=Side(row["side"]),
                filled_quantity=row["filled_quantity"],
            )
            for row in rows
        ]


def first_id(day: date) -> str:
    """Make the smallest order id that can have been minted on this day in India."""
    begin = instant_in_india(day, time())
    return str(UUID(int=int(begin.timestamp() * 1000) << 80))


def _next_id(day: date) -> str:
    return first_id(day + timedelta(days=1))
