"""SQL of the planning of EXIT, MODIFY and CANCEL: what is open, and what is asked to change."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from libs.trading.accounts import Environment
from libs.trading.calendar import trading_day
from libs.trading.market import RequestKind
from libs.trading.orders import OrderTerms, OrderType, Product, Side, Validity
from libs.trading.reasons import SKIP_SENTENCES, SkipReason
from libs.trading.signals import Signal
from libs.trading.states import OrderState
from services.executor.births import Births, Born, Ready
from services.executor.day_rows import first_id
from services.executor.exits import Opened
from services.executor.rows import Due, Leaving, PlannedOrder, leaving_of
from services.executor.shapes import request_hash
from services.executor.statements import HISTORY_OF_MOVED, Connection

# Everything of one strategy in one instrument and product, per account: fills, and exits at work.
_OPENED = """
SELECT account_id,
    sum(CASE side WHEN 'BUY' THEN filled_quantity ELSE -filled_quantity END)::bigint AS net,
    sum(CASE WHEN action = 'EXIT' AND state IN
            ('PLANNED', 'HELD', 'SENDING', 'UNKNOWN', 'ACKED', 'OPEN', 'PARTIAL')
        THEN quantity - filled_quantity ELSE 0 END)::bigint AS closing
FROM executor.orders
WHERE broker = $1 AND shard = ANY($2::int[]) AND strategy_id = $3 AND instrument = $4
    AND product = $5 AND seq < $6 AND state <> 'SKIPPED'
GROUP BY account_id
HAVING bool_or(action = 'PLACE' AND (filled_quantity > 0 OR state IN
    ('SENDING', 'UNKNOWN', 'ACKED', 'OPEN', 'PARTIAL', 'NEEDS_ATTENTION')))
"""

# What our orders of the day filled in one instrument, of whatever strategy and product.
_OURS_TODAY = """
SELECT account_id,
    sum(CASE side WHEN 'BUY' THEN filled_quantity ELSE -filled_quantity END)::bigint AS net
FROM executor.orders
WHERE account_id = ANY($1::uuid[]) AND order_id >= $2 AND instrument = $3 AND filled_quantity > 0
GROUP BY account_id
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
    UPDATE executor.orders o SET order_type = new.order_type, quantity = new.quantity,
        limit_price = new.limit_price, trigger_price = new.trigger_price,
        request_hash = new.request_hash, version = version + 1,
        changed_at = clock_timestamp(), change_id = pg_current_xact_id()
    FROM unnest($1::uuid[], $2::text[], $3::bigint[], $4::numeric[], $5::numeric[], $6::bytea[])
        AS new (order_id, order_type, quantity, limit_price, trigger_price, request_hash)
    WHERE o.order_id = new.order_id AND o.broker = $7 AND o.state IN ('PLANNED', 'HELD')
    RETURNING o.*
), history AS ({HISTORY_OF_MOVED})
SELECT order_id, version, account_id, environment, instrument, action AS kind, order_type, validity,
    expires_at
FROM moved
"""

# A later command makes an earlier one that was not sent yet pointless. One with a message is left
# out: it stands there only to say why.
_ADD_COMMANDS = """
WITH dropped AS (
    UPDATE executor.commands SET state = 'DROPPED', message = 'overtaken by a later one',
        changed_at = clock_timestamp()
    WHERE order_id = ANY($1::uuid[]) AND state = 'DUE' AND kind = 'MODIFY' AND $9 = ''
)
INSERT INTO executor.commands (order_id, n, kind, broker, shard, signal_id, order_type, quantity,
    limit_price, trigger_price, expires_at, state, message)
SELECT o.order_id,
    coalesce((SELECT max(n) FROM executor.commands c WHERE c.order_id = o.order_id), 0) + 1,
    $2, o.broker, o.shard, $3, new.order_type, new.quantity, new.limit_price, new.trigger_price, $4,
    CASE WHEN $9 = '' THEN 'DUE' ELSE 'DROPPED' END, $9
FROM unnest($1::uuid[], $5::text[], $6::bigint[], $7::numeric[], $8::numeric[])
    AS new (order_id, order_type, quantity, limit_price, trigger_price)
JOIN executor.orders o USING (order_id)
ON CONFLICT (order_id, signal_id) DO NOTHING
RETURNING order_id, n
"""

# Of each account that has an exit of this signal and an entry that was at the broker just then.
_EXPECT_LATE = """
INSERT INTO executor.exit_retries (retry_id, order_id, broker, shard, state, asked_by, expires_at,
    entries, filled_before)
SELECT gen_random_uuid(), x.order_id, x.broker, x.shard, 'WAITS', x.master_id, x.expires_at, e.ids,
    e.filled
FROM executor.orders x JOIN (
    SELECT account_id, array_agg(order_id) AS ids, sum(filled_quantity)::bigint AS filled
    FROM executor.orders WHERE order_id = ANY($1::uuid[]) GROUP BY account_id) AS e
    USING (account_id)
WHERE x.signal_id = $2 AND x.broker = $3 AND x.action = 'EXIT' AND x.leg = 0
    AND x.retry_of IS NULL
ON CONFLICT DO NOTHING
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlacedOrder:
    """An order of the parent signal, as far as MODIFY and CANCEL must know it.

    `changes` counts the modifications asked for so far; `closes` tells an exit.
    """

    order_id: str
    account_id: str
    follow_id: str
    state: OrderState
    instrument: str
    side: Side
    product: Product
    validity: Validity
    environment: Environment
    order_type: OrderType
    quantity: int
    leg: int
    changes: int
    closes: bool

    def leaving(self, kind: str, expires_at: datetime) -> Leaving:
        """Describe a change of this order as a request that wants to leave."""
        return Leaving(
            account_id=self.account_id,
            environment=self.environment,
            instrument=self.instrument,
            kind=RequestKind(kind),
            order_type=self.order_type,
            validity=self.validity,
            expires_at=expires_at,
        )


@dataclass(slots=True)
class PlanningPage:
    """The open planning transaction of one signal that changes or closes what is there.

    What it made stands in `born` and may be acted on once the transaction is committed.
    """

    connection: Connection
    births: Births
    signal: Signal
    ready: Ready
    born: Born = field(default_factory=Born)

    async def finish(self, orders: Sequence[PlannedOrder], shards: Sequence[int]) -> None:
        """Write new orders and note the signal as planned; the page's last word."""
        born = await self.births.write(self.connection, self.signal, orders, shards, self.ready)
        self.born.claims.extend(born.claims)
        self.born.due.extend(born.due)
        self.born.orders.extend(born.orders)

    async def opened(self, shards: Sequence[int]) -> dict[str, Opened]:
        """Sum up what the strategy holds in the signal's instrument and product, per account."""
        rows = await self.connection.fetch(
            _OPENED,
            self.births.broker,
            shards,
            self.signal.strategy_id,
            self.signal.instrument,
            self.signal.product,
            self.signal.seq,
        )
        today = await self.connection.fetch(
            _OURS_TODAY,
            [row["account_id"] for row in rows],
            first_id(trading_day(self.signal.stamps.accepted_at)),
            self.signal.instrument,
        )
        ours = {row["account_id"]: row["net"] for row in today}
        return {
            row["account_id"]: Opened(
                account_id=row["account_id"],
                net_quantity=row["net"],
                closing=row["closing"],
                ours_today=ours.get(row["account_id"], 0),
            )
            for row in rows
        }

    async def placed(self, shards: Sequence[int]) -> list[PlacedOrder]:
        """Lock and list the orders of the PLACE or EXIT that this MODIFY or CANCEL names."""
        parent = self.signal.parent_signal_id
        if parent is None:
            raise ValueError(f"signal {self.signal.signal_id}: {self.signal.action} has no parent")
        return await self._orders("signal_id = $3", shards, parent)

    async def entries_at_work(self, shards: Sequence[int]) -> list[PlacedOrder]:
        """Lock and list the entries of the strategy that an EXIT must stop."""
        signal = self.signal
        return await self._orders(
            "strategy_id = $3 AND instrument = $4 AND product = $5 AND seq < $6"
            " AND action = 'PLACE' AND state <> 'SKIPPED'",
            shards,
            signal.strategy_id,
            signal.instrument,
            signal.product,
            signal.seq,
        )

    async def expect_late(self, entries: Sequence[PlacedOrder]) -> None:
        """Note which entries may still fill after the exits of this signal, once these stand."""
        if entries:
            ids = [order.order_id for order in entries]
            await self.connection.execute(
                _EXPECT_LATE, ids, self.signal.signal_id, self.births.broker
            )

    async def cancel_unsent(self, order_ids: Sequence[str], shards: Sequence[int]) -> None:
        reason = SkipReason.MASTER_CANCELLED
        await self.connection.execute(
            _CANCEL_UNSENT, order_ids, self.births.broker, shards, reason, SKIP_SENTENCES[reason]
        )

    async def change_unsent(self, changes: Sequence[tuple[PlacedOrder, OrderTerms]]) -> None:
        if not changes:
            return
        rows = await self.connection.fetch(
            _CHANGE_UNSENT,
            [order.order_id for order, _ in changes],
            *_columns([terms for _, terms in changes]),
            [
                request_hash(order.instrument, order.side, order.product, order.validity, terms)
                for order, terms in changes
            ],
            self.births.broker,
        )
        self.born.due.extend(
            Due(
                order_id=row["order_id"],
                version=row["version"],
                leaving=leaving_of(row),
            )
            for row in rows
        )

    async def add_cancels(self, orders: Sequence[PlacedOrder]) -> None:
        """Ask for the end of orders at the broker."""
        await self._add("CANCEL", [(order, None) for order in orders])

    async def add_changes(self, wanted: Sequence[tuple[PlacedOrder, OrderTerms]]) -> None:
        """Ask for new terms of orders at the broker."""
        await self._add("MODIFY", wanted)

    async def leave_out_changes(self, orders: Sequence[PlacedOrder], why: str) -> None:
        """Note that orders at the broker keep their terms, and why."""
        await self._add("MODIFY", [(order, None) for order in orders], why)

    async def _add(
        self, kind: str, wanted: Sequence[tuple[PlacedOrder, OrderTerms | None]], why_not: str = ""
    ) -> None:
        if not wanted:
            return
        signal = self.signal
        orders = {order.order_id: order for order, _ in wanted}
        rows = await self.connection.fetch(
            _ADD_COMMANDS,
            list(orders),
            kind,
            signal.signal_id,
            signal.expires_at,
            *_columns([terms for _, terms in wanted]),
            why_not,
        )
        if not why_not:
            self.born.due.extend(
                Due(
                    order_id=row["order_id"],
                    version=0,
                    leaving=orders[row["order_id"]].leaving(kind, signal.expires_at),
                    command=row["n"],
                )
                for row in rows
            )

    async def _orders(
        self, condition: str, shards: Sequence[int], *values: object
    ) -> list[PlacedOrder]:
        rows = await self.connection.fetch(
            f"""SELECT order_id, account_id, follow_id, state, instrument, side, product, validity,
                environment, order_type, quantity, leg, action = 'EXIT' AS closes,
                (SELECT count(*) FROM executor.commands c WHERE c.order_id = orders.order_id
                    AND c.kind = 'MODIFY' AND c.state <> 'DROPPED') AS changes
            FROM executor.orders
            WHERE broker = $1 AND shard = ANY($2::int[]) AND {condition}
            ORDER BY order_id FOR UPDATE""",
            self.births.broker,
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
                environment=Environment(row["environment"]),
                order_type=OrderType(row["order_type"]),
                quantity=row["quantity"],
                leg=row["leg"],
                changes=row["changes"],
                closes=row["closes"],
            )
            for row in rows
        ]


def _columns(terms: Sequence[OrderTerms | None]) -> list[list[object]]:
    """Turn terms into arrays; an order that keeps its own has none."""
    return [
        [t.order_type if t else None for t in terms],
        [t.quantity if t else None for t in terms],
        [t.limit_price if t else None for t in terms],
        [t.trigger_price if t else None for t in terms],
    ]
