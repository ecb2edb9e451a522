"""SQL of orders that need attention: what a person must see, and what they decided."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal

import asyncpg
from uuid_utils import uuid7

from libs.runtime.outbox import OutboxMessage, enqueue
from libs.trading.states import OrderState
from libs.trading.tags import mint_client_order_id
from services.executor.attention import (
    Candidate,
    Case,
    Decision,
    Refusal,
    Wish,
    change_of,
    needs_second_person,
    refusal,
)
from services.executor.recording import Moved, after, locked, write
from services.executor.settling_rows import watch
from services.executor.statements import HISTORY_OF_MOVED, Connection

_WAITING = """
SELECT order_id FROM executor.orders WHERE state = 'NEEDS_ATTENTION'
ORDER BY changed_at, order_id LIMIT $1
"""
# An order without a price of its own is worth what the strategy last paid for the instrument.
_CASE = """
SELECT order_id, version, state, account_id, client_order_id, broker_order_id,
    quantity, coalesce(limit_price, trigger_price, average_price,
        (SELECT p.average_price FROM executor.orders p
            WHERE p.strategy_id = o.strategy_id AND p.instrument = o.instrument
                AND p.state <> 'SKIPPED' AND p.average_price IS NOT NULL
            ORDER BY p.order_id DESC LIMIT 1)) AS price
FROM executor.orders o WHERE order_id = $1
"""
_CANDIDATES = """
SELECT k.broker_order_id, k.order_id, k.client_order_id, k.status, k.side, k.quantity,
    k.limit_price, k.filled_quantity, k.average_price, k.placed_at, k.first_seen_at
FROM executor.known_broker_orders k JOIN executor.orders o ON o.order_id = $1
WHERE k.account_id = o.account_id
    AND k.day >= (o.planned_at AT TIME ZONE 'Asia/Kolkata')::date
    AND (k.instrument = o.instrument OR k.client_order_id = o.client_order_id
        OR k.broker_order_id = o.broker_order_id)
ORDER BY k.first_seen_at, k.broker_order_id LIMIT 50
"""
_SAID = """
SELECT source, received_at, broker_order_id, status, filled_quantity, average_price, code, message
FROM executor.observations WHERE order_id = $1 ORDER BY id DESC LIMIT 20
"""
_DECISIONS = """
SELECT * FROM executor.attention_decisions WHERE order_id = $1 ORDER BY decided_at DESC LIMIT 20
"""
_REPLACE = """
UPDATE executor.attention_decisions SET state = 'REPLACED' WHERE order_id = $1
    AND state = 'PROPOSED'
"""
_PROPOSE = """
INSERT INTO executor.attention_decisions (decision_id, order_id, order_version, decision, reason,
    broker_order_id, value_rupees, state, decided_by)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) RETURNING *
"""
_PROPOSED = "SELECT * FROM executor.attention_decisions WHERE decision_id = $1 FOR UPDATE"
_OVERTAKEN = """
UPDATE executor.attention_decisions SET state = 'OVERTAKEN' WHERE decision_id = $1
"""
_DONE = """
UPDATE executor.attention_decisions SET state = 'DONE', confirmed_by = $2,
    confirmed_at = CASE WHEN $2::uuid IS NULL THEN NULL ELSE clock_timestamp() END,
    new_order_id = $3
WHERE decision_id = $1 RETURNING *
"""
_REISSUE = f"""
WITH moved AS (
    INSERT INTO executor.orders (order_id, caused_by, client_order_id, signal_id, account_id, leg,
        issue, broker, shard, master_id, strategy_id, follow_id, user_id, seq, environment, action,
        instrument, side, product, validity, order_type, quantity, limit_price, trigger_price,
        algo_id, request_hash, state, accepted_at, expires_at)
    SELECT $2, o.order_id, $3, o.signal_id, o.account_id, o.leg,
        (SELECT max(i.issue) + 1 FROM executor.orders i WHERE i.signal_id = o.signal_id
            AND i.account_id = o.account_id AND i.leg = o.leg),
        o.broker, o.shard, o.master_id, o.strategy_id, o.follow_id, o.user_id, o.seq,
        o.environment, o.action, o.instrument, o.side, o.product, o.validity, o.order_type,
        o.quantity, o.limit_price, o.trigger_price, o.algo_id, o.request_hash, 'PLANNED',
        clock_timestamp(), clock_timestamp() + make_interval(secs => $4)
    FROM executor.orders o WHERE o.order_id = $1
    RETURNING *
), history AS ({HISTORY_OF_MOVED})
SELECT order_id FROM moved
"""
_LINKED = """
UPDATE executor.known_broker_orders SET order_id = $1
WHERE account_id = $2 AND broker_order_id = $3 AND order_id IS NULL
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """Everything one needs to decide about one order."""

    case: Case
    candidates: list[Candidate]
    said: list[asyncpg.Record]
    decisions: list[asyncpg.Record]


@dataclass(frozen=True, slots=True, kw_only=True)
class Attention:
    """Every decision is a compare-and-set on the order's version; any replica may write it."""

    pool: asyncpg.Pool
    tag_key: bytes
    second_person_above: Decimal
    reissue_lives_s: float
    notices_of: Callable[[Sequence[Moved]], Sequence[OutboxMessage]]
    on_change: Sequence[Callable[[], None]]

    async def waiting(self, limit: int) -> list[Waiting]:
        """List the orders that need a person, the longest waiting first."""
        async with (
            self.pool.acquire() as connection,
            connection.transaction(isolation="repeatable_read", readonly=True),
        ):
            ids = [row["order_id"] for row in await connection.fetch(_WAITING, limit)]
            return [await _waiting(connection, order_id) for order_id in ids]

    async def decide(self, order_id: str, wish: Wish, by: str) -> asyncpg.Record | Refusal | None:
        """Write a decision down, and carry it out unless it needs a second person.

        None when there is no such order.
        """
        async with self.pool.acquire() as connection, connection.transaction():
            case, candidates = await _locked_case(connection, order_id)
            if case is None:
                return None
            refused = refusal(case, wish, candidates)
            if refused is not None:
                return refused
            await connection.execute(_REPLACE, order_id)
            alone = not needs_second_person(case, self.second_person_above)
            row = await connection.fetchrow(
                _PROPOSE,
                str(uuid7()),
                order_id,
                wish.version,
                wish.decision,
                wish.reason,
                wish.broker_order_id,
                case.value,
                "PROPOSED",
                by,
            )
            if alone and row is not None:
                row = await self._carry_out(connection, row["decision_id"], case, wish, candidates)
        self._tell()
        return row

    async def confirm(self, decision_id: str, by: str) -> asyncpg.Record | Refusal | None:
        """Carry out what somebody else decided. None when there is no such decision."""
        async with self.pool.acquire() as connection, connection.transaction():
            row = await connection.fetchrow(_PROPOSED, decision_id)
            if row is None:
                return None
            refused = _not_to_confirm(row, by)
            if refused is not None:
                return refused
            wish = _wish_of(row)
            case, candidates = await _locked_case(connection, row["order_id"])
            if case is None:
                return None
            refused = refusal(case, wish, candidates)
            if refused is not None:
                await connection.execute(_OVERTAKEN, decision_id)
                return refused
            row = await self._carry_out(connection, decision_id, case, wish, candidates, by)
        self._tell()
        return row

    async def _carry_out(
        self,
        connection: Connection,
        decision_id: str,
        case: Case,
        wish: Wish,
        candidates: Sequence[Candidate],
        confirmed_by: str | None = None,
    ) -> asyncpg.Record | None:
        rows, _ = await locked(connection, [case.order_id])
        row = rows[case.order_id]
        change = change_of(wish, candidates)
        moved = Moved(row=after(row, change), source=row.state, change=change)
        await write(connection, [moved])
        new_order_id = None
        if change.state is OrderState.NOT_PLACED:
            await watch(connection, case.order_id)
        if wish.decision is Decision.LINK:
            await connection.execute(_LINKED, case.order_id, case.account_id, wish.broker_order_id)
        if wish.decision is Decision.REISSUE:
            new_order_id = await connection.fetchval(
                _REISSUE,
                case.order_id,
                str(uuid7()),
                mint_client_order_id(self.tag_key),
                self.reissue_lives_s,
            )
        await enqueue(connection, "executor", self.notices_of([moved]))
        return await connection.fetchrow(_DONE, decision_id, confirmed_by, new_order_id)

    def _tell(self) -> None:
        for tell in self.on_change:
            tell()


def _not_to_confirm(row: asyncpg.Record, by: str) -> Refusal | None:
    if row["state"] != "PROPOSED":
        return Refusal(
            code="DECISION_CLOSED",
            message=f"This decision is {row['state']}: there is nothing to confirm.",
        )
    if row["decided_by"] == by:
        return Refusal(
            code="SECOND_PERSON_NEEDED",
            message="You made this decision yourself. Ask another operator to confirm it.",
        )
    return None


def _wish_of(row: asyncpg.Record) -> Wish:
    return Wish(
        decision=Decision(row["decision"]),
        reason=row["reason"],
        version=row["order_version"],
        broker_order_id=row["broker_order_id"],
    )


async def _locked_case(
    connection: Connection, order_id: str
) -> tuple[Case | None, list[Candidate]]:
    await locked(connection, [order_id])
    row = await connection.fetchrow(_CASE, order_id)
    if row is None:
        return None, []
    return _case(row), await _candidates(connection, order_id)


async def _waiting(connection: Connection, order_id: str) -> Waiting:
    row = await connection.fetchrow(_CASE, order_id)
    if row is None:
        raise LookupError(order_id)
    return Waiting(
        case=_case(row),
        candidates=await _candidates(connection, order_id),
        said=list(await connection.fetch(_SAID, order_id)),
        decisions=list(await connection.fetch(_DECISIONS, order_id)),
    )


async def _candidates(connection: Connection, order_id: str) -> list[Candidate]:
    return [Candidate(**dict(row)) for row in await connection.fetch(_CANDIDATES, order_id)]


def _case(row: asyncpg.Record) -> Case:
    return Case(**{**dict(row), "state": OrderState(row["state"])})
