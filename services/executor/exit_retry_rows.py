"""SQL of exits that failed or came too early: which there are, who wants what, the new order."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

import asyncpg
from uuid_utils import uuid7

from libs.contracts import codec, topics
from libs.contracts.views import follow_of
from libs.trading.calendar import trading_day
from libs.trading.follows import Follow
from libs.trading.orders import Product
from libs.trading.signals import Signal
from libs.trading.states import TERMINAL, OrderState
from services.executor.day_rows import first_id
from services.executor.exit_retry import FAILED_STATES, ExitOrder
from services.executor.exits import Opened
from services.executor.rows import Holding, PlannedOrder
from services.executor.statements import HISTORY_OF_MOVED, Connection, lease_held

# What the account's owner closed by hand of deliveries: no position of the day shows that.
_BY_HAND = """CASE WHEN o.product = 'DELIVERY' THEN coalesce((
    SELECT sum(k.filled_quantity) FROM executor.known_broker_orders k
    WHERE k.account_id = o.account_id AND k.order_id IS NULL AND k.instrument = o.instrument
        AND k.side = o.side AND k.product = o.product AND k.first_seen_at >= o.planned_at
        AND k.day >= (o.planned_at AT TIME ZONE 'Asia/Kolkata')::date), 0) ELSE 0 END::bigint"""
_CANCELLED = """EXISTS (SELECT FROM executor.commands c
    WHERE c.order_id = o.order_id AND c.kind = 'CANCEL' AND c.state <> 'DROPPED')"""
# Its alarm ended after the order did: what it left was closed, and what is open now came later.
_SETTLED = """EXISTS (SELECT FROM executor.alarms a
    WHERE a.name = 'EXIT_FAILED' AND a.subject = 'order:' || o.order_id
        AND a.cleared_at >= o.changed_at)"""
# What the strategy holds that an exit which closed nothing should have: what came before it.
_OLDER = """CASE WHEN o.reason = 'CLOSED_ELSEWHERE' THEN coalesce((
    SELECT sum(CASE e.side WHEN 'BUY' THEN e.filled_quantity ELSE -e.filled_quantity END)
    FROM executor.orders e
    WHERE e.account_id = o.account_id AND e.filled_quantity > 0 AND e.seq <= o.seq
        AND (e.strategy_id, e.instrument, e.product) = (o.strategy_id, o.instrument, o.product)
    ), 0)::bigint END"""
_COLUMNS = f"""o.order_id, o.action, o.state, o.reason, o.message, o.account_id, o.user_id,
    o.broker, o.shard, o.environment, o.instrument, o.product, o.quantity, o.filled_quantity,
    {_CANCELLED} AS cancelled, {_SETTLED} AS settled, {_BY_HAND} AS by_hand, {_OLDER} AS older"""
_NET = "sum(CASE side WHEN 'BUY' THEN filled_quantity ELSE -filled_quantity END)::bigint"
_CLOSING = """sum(CASE WHEN action = 'EXIT' AND state IN
        ('PLANNED', 'HELD', 'SENDING', 'UNKNOWN', 'ACKED', 'OPEN', 'PARTIAL')
    THEN quantity - filled_quantity ELSE 0 END)::bigint"""

# Spelled out, as the index is: what comes as a value proves nothing to the planner.
_HAS_FAILED = f"state IN ({', '.join(repr(state.value) for state in sorted(FAILED_STATES))})"

# What failed lately, and what failed before and has its alarm. One that was tried again is left to
# its retries once these have ended.
_FAILED = f"""
WITH failed AS (
    SELECT order_id FROM executor.orders
    WHERE broker = $1 AND shard = ANY($2::int[]) AND action = 'EXIT' AND {_HAS_FAILED}
        AND changed_at > $3
    UNION
    SELECT order_id FROM executor.orders
    WHERE order_id = ANY($4::uuid[]) AND action = 'EXIT' AND {_HAS_FAILED}
)
SELECT {_COLUMNS}, o.strategy_id FROM executor.orders o JOIN failed USING (order_id)
WHERE NOT coalesce((SELECT bool_and(r.state = ANY($5::text[]))
    FROM executor.orders r WHERE r.retry_of = o.order_id), false)
"""
# Summed up once per strategy and instrument, and once per account and instrument, however many
# exits failed: joined to each of them, a planner may well sum up a thousand times (measured).
_BOOKS = f"""
SELECT strategy_id, instrument, product, account_id, {_NET} AS net, {_CLOSING} AS closing
FROM unnest($3::uuid[], $4::text[], $5::text[]) AS wanted (strategy_id, instrument, product)
JOIN executor.orders USING (strategy_id, instrument, product)
WHERE broker = $1 AND shard = ANY($2::int[]) AND state <> 'SKIPPED'
GROUP BY strategy_id, instrument, product, account_id
"""
_TODAY = f"""
SELECT account_id, instrument, {_NET} AS net
FROM unnest($1::uuid[], $2::text[]) AS wanted (account_id, instrument)
JOIN executor.orders USING (account_id, instrument)
WHERE order_id >= $3 AND filled_quantity > 0
GROUP BY account_id, instrument
"""

_ORDER = f"SELECT {_COLUMNS} FROM executor.orders o WHERE o.order_id = $1"
_RETRIES = """
SELECT order_id FROM executor.orders
WHERE retry_of = $1 AND leg >= $2 AND leg < $2 + $3 ORDER BY leg
"""
# A wish that nobody heard in time stands in nobody's way.
_GIVE_UP = """
UPDATE executor.exit_retries SET state = 'REFUSED', reason = 'NOT_SERVED',
    decided_at = clock_timestamp()
WHERE order_id = $1 AND state = 'ASKED' AND expires_at <= clock_timestamp()
"""
_ASK = """
INSERT INTO executor.exit_retries (retry_id, order_id, broker, shard, asked_by, expires_at)
VALUES ($1, $2, $3, $4, $5, clock_timestamp() + make_interval(secs => $6))
ON CONFLICT (order_id, (entries IS NULL)) WHERE state <> 'REFUSED' DO NOTHING
"""
_STANDS = """
SELECT retry_id FROM executor.exit_retries
WHERE order_id = $1 AND entries IS NULL AND state <> 'REFUSED'
"""
_OUTCOME = "SELECT state, reason, message FROM executor.exit_retries WHERE retry_id = $1"

# What people want, and exits of everything whose late entries have all ended.
_ASKED = """
SELECT r.retry_id, r.order_id, r.asked_by, r.shard, o.account_id, o.signal_id, o.follow_id,
    o.strategy_id, CASE WHEN r.state = 'WAITS' THEN late.filled - r.filled_before END AS late
FROM executor.exit_retries r JOIN executor.orders o USING (order_id)
CROSS JOIN LATERAL (SELECT coalesce(sum(e.filled_quantity), 0)::bigint AS filled,
        coalesce(bool_and(e.state = ANY($4::text[])), true) AS ended
    FROM executor.orders e WHERE e.order_id = ANY(r.entries)) AS late
WHERE r.broker = $1 AND r.shard = ANY($2::int[]) AND r.expires_at > clock_timestamp()
    AND (r.state = 'ASKED' OR r.state = 'WAITS' AND late.ended)
ORDER BY r.asked_at LIMIT $3
"""
_FORGET = "DELETE FROM executor.exit_retries WHERE retry_id = $1 AND state = 'WAITS'"
# The same entries that an exit of the master's locks first: neither closes what the other does.
_LOCK = """
SELECT p.order_id FROM executor.orders p JOIN executor.orders o
    ON p.strategy_id = o.strategy_id AND p.instrument = o.instrument AND p.product = o.product
        AND p.account_id = o.account_id
WHERE o.order_id = $1
    AND (p.order_id = o.order_id OR p.action = 'PLACE' AND p.state <> 'SKIPPED')
ORDER BY p.order_id FOR UPDATE OF p
"""
_OPENED = f"""
SELECT coalesce({_NET}, 0) AS net, coalesce({_CLOSING}, 0) AS closing FROM executor.orders
WHERE (strategy_id, instrument, product, account_id) = (
        SELECT strategy_id, instrument, product, account_id FROM executor.orders
        WHERE order_id = $1)
    AND state <> 'SKIPPED'
"""
_OURS_TODAY = f"""
SELECT coalesce({_NET}, 0) FROM executor.orders
WHERE account_id = $1 AND instrument = $2 AND order_id >= $3 AND filled_quantity > 0
"""
_INSERT = f"""
WITH moved AS (
    INSERT INTO executor.orders (order_id, retry_of, client_order_id, signal_id, account_id, leg,
        issue, broker, shard, master_id, strategy_id, follow_id, user_id, seq, environment, action,
        instrument, side, product, validity, order_type, quantity, limit_price, trigger_price,
        algo_id, request_hash, state, reason, message, accepted_at, expires_at)
    SELECT new.order_id, o.order_id, new.client_order_id, o.signal_id, o.account_id, new.leg,
        (SELECT max(i.issue) + 1 FROM executor.orders i
            WHERE i.signal_id = o.signal_id AND i.account_id = o.account_id),
        o.broker, o.shard, o.master_id, o.strategy_id, o.follow_id, o.user_id, o.seq,
        o.environment, o.action, o.instrument, new.side, o.product, o.validity, new.order_type,
        new.quantity, new.limit_price, new.trigger_price, new.algo_id, new.request_hash, $17, $18,
        $5, clock_timestamp(), $6
    FROM executor.orders o CROSS JOIN unnest($7::uuid[], $8::text[], $9::smallint[], $10::text[],
        $11::text[], $12::bigint[], $13::numeric[], $14::numeric[], $15::text[], $16::bytea[])
        AS new (order_id, client_order_id, leg, side, order_type, quantity, limit_price,
            trigger_price, algo_id, request_hash)
    WHERE o.order_id = $1 AND {lease_held("$2", "$3", "$4")}
    RETURNING *
), history AS ({HISTORY_OF_MOVED})
SELECT count(*) FROM moved
"""
_DECIDE = """
UPDATE executor.exit_retries SET state = $2, reason = $3, message = $4,
    decided_at = clock_timestamp()
WHERE retry_id = $1 AND state IN ('ASKED', 'WAITS')
"""

_ASKED_MAX = 100
# Above the legs of any order that was cut into slices.
_LATE_LEGS = 100
_BOOK_KEY = ("strategy_id", "instrument", "product", "account_id")
_AGAIN = "Tried again by hand: order {order_id} did not close all it should."
_LATE = "Closes what was filled after the exit: order {order_id}."


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """A failed exit, and what the ledger knows of the position it should have closed."""

    order: ExitOrder
    mine: Opened


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """Somebody wants this exit tried again; or its entries have ended, and filled `late` since."""

    retry_id: str
    order_id: str
    account_id: str
    shard: int
    signal_id: str
    follow_id: str
    strategy_id: str
    asked_by: str
    late: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    state: str
    reason: str | None
    message: str


@dataclass(frozen=True, slots=True)
class RetryRows:
    """Everything here reads the whole table, but for what names a broker."""

    pool: asyncpg.Pool
    broker: str

    async def failed(
        self, shards: Sequence[int], *, since: datetime, also: Collection[str], now: datetime
    ) -> list[Failed]:
        """List exits that failed since then, and of those named whichever still count."""
        rows = await self.pool.fetch(
            _FAILED,
            self.broker,
            shards,
            since,
            list(also),
            [state.value for state in TERMINAL],
        )
        if not rows:
            return []
        keys = {(row["strategy_id"], row["instrument"], row["product"]) for row in rows}
        books = await self.pool.fetch(_BOOKS, self.broker, shards, *_columns(keys))
        holders = {(row["account_id"], row["instrument"]) for row in rows}
        today = await self.pool.fetch(_TODAY, *_columns(holders), first_id(trading_day(now)))
        book_of = {tuple(row[name] for name in _BOOK_KEY): row for row in books}
        ours = {(row["account_id"], row["instrument"]): row["net"] for row in today}
        return [
            _failed(row, book, ours.get((row["account_id"], row["instrument"]), 0))
            for row in rows
            if (book := book_of.get(tuple(row[name] for name in _BOOK_KEY))) is not None
        ]

    async def order(self, order_id: str, user_id: str | None) -> ExitOrder | None:
        """Read one order; None when it is not this user's. `user_id` None reads any."""
        row = await self.pool.fetchrow(_ORDER, order_id)
        found = None if row is None else _exit(row)
        return found if found and user_id in {None, found.user_id} else None

    async def retries(self, order_id: str) -> list[str]:
        """Name the orders that try this one again."""
        return [row["order_id"] for row in await self.pool.fetch(_RETRIES, order_id, 0, _LATE_LEGS)]

    async def ask(self, order: ExitOrder, by: str, *, lives_s: float) -> str | None:
        """Write a wish down, or find the one that stands. None when it was decided just now."""
        async with self.pool.acquire() as connection, connection.transaction():
            await connection.execute(_GIVE_UP, order.order_id)
            await connection.execute(
                _ASK, str(uuid7()), order.order_id, order.broker, order.shard, by, lives_s
            )
            retry_id: str | None = await connection.fetchval(_STANDS, order.order_id)
        return retry_id

    async def outcome(self, retry_id: str) -> Outcome:
        row = await self.pool.fetchrow(_OUTCOME, retry_id)
        if row is None:
            raise LookupError(retry_id)
        return Outcome(**dict(row))

    async def asked(self, shards: Sequence[int]) -> list[Wish]:
        """List the wishes that wait for whoever serves these shards."""
        ended = [state.value for state in TERMINAL]
        rows = await self.pool.fetch(_ASKED, self.broker, shards, _ASKED_MAX, ended)
        return [Wish(**dict(row)) for row in rows]

    async def signal(self, signal_id: str) -> Signal | None:
        payload = await self.pool.fetchval(
            "SELECT payload FROM signal.emitted WHERE signal_id = $1", signal_id
        )
        found = None if payload is None else codec.decode(topics.SIGNALS, payload)
        return found if isinstance(found, Signal) else None

    async def follow(self, follow_id: str) -> Follow | None:
        """Read a follow, also one that has ended: its positions may still be there."""
        row = await self.pool.fetchrow(
            "SELECT * FROM signal.follows_now WHERE follow_id = $1", follow_id
        )
        return follow_of(row) if row else None


@dataclass(frozen=True, slots=True)
class RetryPage:
    """The open transaction in which one wish is decided."""

    connection: Connection
    wish: Wish

    async def locked(self, now: datetime) -> Failed | None:
        """Read the failed exit and its position, so that no other exit is planned beside this.

        None when it was tried again already.
        """
        order_id = self.wish.order_id
        await self.connection.execute(_LOCK, order_id)
        if await self.connection.fetch(_RETRIES, order_id, self._first_leg, _LATE_LEGS):
            return None
        row = await self.connection.fetchrow(_ORDER, order_id)
        book = await self.connection.fetchrow(_OPENED, order_id)
        if row is None or book is None:
            raise LookupError(order_id)
        day = first_id(trading_day(now))
        ours = await self.connection.fetchval(
            _OURS_TODAY, row["account_id"], row["instrument"], day
        )
        return _failed(row, book, ours)

    async def write(self, orders: Sequence[PlannedOrder], holding: Holding) -> bool:
        """Write the orders that try it again. False when its shard is not ours any more.

        One that cannot go is written with its reason: it is an exit that failed, like others.
        """
        shapes = [order.shape for order in orders]
        why = (_AGAIN if self.wish.late is None else _LATE).format(order_id=self.wish.order_id)
        written = await self.connection.fetchval(
            _INSERT,
            self.wish.order_id,
            list(holding.epochs),
            list(holding.epochs.values()),
            holding.owner,
            shapes[0].message or why,
            shapes[0].signal.expires_at,
            [order.order_id for order in orders],
            [order.client_order_id for order in orders],
            [self._first_leg + order.leg for order in orders],
            [shape.side for shape in shapes],
            [shape.terms.order_type for shape in shapes],
            [shape.terms.quantity for shape in shapes],
            [shape.terms.limit_price for shape in shapes],
            [shape.terms.trigger_price for shape in shapes],
            [shape.algo_id for shape in shapes],
            [shape.request_hash for shape in shapes],
            shapes[0].state,
            shapes[0].reason,
        )
        if written:
            await self.done()
        return bool(written)

    @property
    def _first_leg(self) -> int:
        """What closes late fills stands beside what a person tried again, and is no slice of it."""
        return 0 if self.wish.late is None else _LATE_LEGS

    async def forget(self) -> None:
        """Nothing was late: the exit may still be tried again by hand."""
        await self.connection.execute(_FORGET, self.wish.retry_id)

    async def done(self) -> None:
        await self.connection.execute(_DECIDE, self.wish.retry_id, "DONE", None, "")

    async def refuse(self, reason: str, message: str) -> None:
        await self.connection.execute(_DECIDE, self.wish.retry_id, "REFUSED", reason, message)


def _columns(keys: Collection[tuple[str, ...]]) -> list[list[str]]:
    return [list(column) for column in zip(*keys, strict=True)]


def _exit(row: asyncpg.Record) -> ExitOrder:
    return ExitOrder(
        order_id=row["order_id"],
        action=row["action"],
        state=OrderState(row["state"]),
        reason=row["reason"],
        message=row["message"],
        account_id=row["account_id"],
        user_id=row["user_id"],
        broker=row["broker"],
        shard=row["shard"],
        environment=row["environment"],
        instrument=row["instrument"],
        product=Product(row["product"]),
        quantity=row["quantity"],
        filled_quantity=row["filled_quantity"],
        cancelled=row["cancelled"],
        settled=row["settled"],
        by_hand=row["by_hand"],
        older=row["older"],
    )


def _failed(row: asyncpg.Record, book: asyncpg.Record, ours_today: int) -> Failed:
    mine = Opened(
        account_id=row["account_id"],
        net_quantity=book["net"],
        closing=book["closing"],
        ours_today=ours_today,
    )
    return Failed(order=_exit(row), mine=mine)
