"""SQL that writes what became of orders: words are folded under row locks, in batches.

Several words about one order in one batch make one version each, so that no transition is lost.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from decimal import Decimal

import asyncpg
from asyncpg.pool import PoolConnectionProxy

from libs.trading.states import CLOSED_AT_BROKER, OrderState, may_move
from services.executor.folding import folded
from services.executor.rows import Change, OrderRow, Word

Connection = asyncpg.Connection | PoolConnectionProxy

# What is wrong with what should be written; waiting would not mend it.
POISON = (asyncpg.DataError, asyncpg.IntegrityConstraintViolationError, ValueError, TypeError)

_BY_TAG = """
SELECT w.at, o.order_id FROM unnest($1::int[], $2::uuid[], $3::text[]) AS w (at, account_id, tag)
JOIN executor.orders o ON o.client_order_id = w.tag AND o.account_id = w.account_id
"""
_BY_BROKER_ID = """
SELECT w.at, o.order_id
FROM unnest($1::int[], $2::uuid[], $3::text[]) AS w (at, account_id, broker_order_id)
JOIN executor.orders o USING (account_id, broker_order_id)
"""
_LOCK = """
SELECT order_id, version, state, account_id, user_id, client_order_id, instrument, quantity,
    filled_quantity, average_price, broker_order_id, attempts, expires_at, reason,
    acknowledged_at, filled_at, clock_timestamp() AS now
FROM executor.orders WHERE order_id = ANY($1::uuid[]) ORDER BY order_id FOR UPDATE
"""
_MOVE = """
UPDATE executor.orders o SET state = new.state, reason = new.reason, message = new.message,
    version = new.version, broker_order_id = new.broker_order_id,
    filled_quantity = new.filled_quantity, average_price = new.average_price,
    acknowledged_at = new.acknowledged_at, filled_at = new.filled_at,
    due_at = clock_timestamp() + make_interval(secs => new.due_in_s),
    changed_at = clock_timestamp(), change_id = pg_current_xact_id()
FROM unnest($1::uuid[], $2::int[], $3::int[], $4::text[], $5::text[], $6::text[], $7::text[],
    $8::bigint[], $9::numeric[], $10::float8[], $11::timestamptz[], $12::timestamptz[])
    AS new (order_id, was, version, state, reason, message, broker_order_id, filled_quantity,
        average_price, due_in_s, acknowledged_at, filled_at)
WHERE o.order_id = new.order_id AND o.version = new.was
"""
_REMEMBER = """
INSERT INTO executor.order_history (order_id, version, broker, shard, state, reason, message,
    filled_quantity, average_price, broker_order_id, order_type, quantity, limit_price,
    trigger_price, sent_at)
SELECT o.order_id, new.version, o.broker, o.shard, new.state, new.reason, new.message,
    new.filled_quantity, new.average_price, new.broker_order_id, o.order_type, o.quantity,
    o.limit_price, o.trigger_price, o.sent_at
FROM unnest($1::uuid[], $2::int[], $3::text[], $4::text[], $5::text[], $6::text[], $7::bigint[],
    $8::numeric[])
    AS new (order_id, version, state, reason, message, broker_order_id, filled_quantity,
        average_price)
JOIN executor.orders o USING (order_id)
"""
_OBSERVE = """
INSERT INTO executor.observations (order_id, account_id, source, received_at, broker_order_id,
    status, filled_quantity, average_price, code, message)
SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::timestamptz[], $5::text[],
    $6::text[], $7::bigint[], $8::numeric[], $9::text[], $10::text[])
"""
_DROP_COMMANDS = """
UPDATE executor.commands SET state = 'DROPPED', message = 'the order is over',
    changed_at = clock_timestamp()
WHERE order_id = ANY($1::uuid[]) AND state = 'DUE'
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    """One order after a batch: where it was and where it is."""

    row: OrderRow
    source: OrderState
    change: Change


@dataclass(slots=True)
class Recorder:
    """Folds words into the ledger. The pure decision is folding.py."""

    attempts_max: int

    async def record(self, connection: Connection, words: Sequence[Word]) -> list[Moved]:
        """Fold a batch in the caller's transaction; return every transition, in order."""
        known = await self._with_orders(connection, words)
        if not known:
            return []
        current, now = await locked(connection, {order_id for order_id, _ in known})
        moved: list[Moved] = []
        for order_id, word in known:
            if (row := current.get(order_id)) is None:
                continue
            change = folded(row, word, now=now, attempts_max=self.attempts_max)
            if change is not None:
                current[order_id] = after(row, change)
                moved.append(Moved(row=current[order_id], source=row.state, change=change))
        await observe(connection, known)
        await write(connection, moved)
        return moved

    async def _with_orders(
        self, connection: Connection, words: Sequence[Word]
    ) -> list[tuple[str, Word]]:
        """Find the order each word is about; words about foreign orders fall away."""
        found = {at: word.order_id for at, word in enumerate(words) if word.order_id}
        for statement, attribute in (
            (_BY_TAG, "client_order_id"),
            (_BY_BROKER_ID, "broker_order_id"),
        ):
            open_ = [
                (at, word.account_id, key)
                for at, word in enumerate(words)
                if at not in found and (key := getattr(word.report, attribute, None))
            ]
            if open_:
                rows = await connection.fetch(statement, *map(list, zip(*open_, strict=True)))
                found |= {row["at"]: row["order_id"] for row in rows}
        return [(found[at], word) for at, word in enumerate(words) if at in found]


async def locked(
    connection: Connection, order_ids: Iterable[str]
) -> tuple[dict[str, OrderRow], datetime]:
    """Lock orders in one order of ids, so that batches never wait for each other in a circle."""
    rows = await connection.fetch(_LOCK, sorted(order_ids))
    now = max((row["now"] for row in rows), default=datetime.now(UTC))
    return {row["order_id"]: _row(row) for row in rows}, now


def after(row: OrderRow, change: Change) -> OrderRow:
    """Apply a change to a row in memory. Raise `ValueError` for a move that does not exist."""
    if change.state is not row.state and not may_move(row.state, change.state):
        raise ValueError(f"order {row.order_id}: {row.state} never becomes {change.state}")
    return replace(
        row,
        version=row.version + 1,
        state=change.state,
        broker_order_id=change.broker_order_id or row.broker_order_id,
        filled_quantity=_or(change.filled_quantity, row.filled_quantity),
        average_price=change.average_price or row.average_price,
        # The first word counts for the one, the last fill for the other.
        acknowledged_at=row.acknowledged_at or change.acknowledged_at,
        filled_at=change.filled_at or row.filled_at,
    )


async def write(connection: Connection, moved: Sequence[Moved]) -> None:
    """Write transitions: one history row each, and the orders at their last."""
    if not moved:
        return
    await connection.execute(
        _REMEMBER,
        [m.row.order_id for m in moved],
        [m.row.version for m in moved],
        [m.change.state for m in moved],
        [m.change.reason for m in moved],
        [m.change.message for m in moved],
        [m.row.broker_order_id for m in moved],
        [m.row.filled_quantity for m in moved],
        [m.row.average_price for m in moved],
    )
    steps = _Steps()
    for m in moved:
        steps.add(m)
    last = list(steps.last.values())
    await connection.execute(
        _MOVE,
        list(steps.last),
        [steps.was[order_id] for order_id in steps.last],
        [m.row.version for m in last],
        [m.change.state for m in last],
        [m.change.reason for m in last],
        [m.change.message for m in last],
        [m.row.broker_order_id for m in last],
        [m.row.filled_quantity for m in last],
        [m.row.average_price for m in last],
        [m.change.due_in_s or 0.0 for m in last],
        [m.row.acknowledged_at for m in last],
        [m.row.filled_at for m in last],
    )
    over = [id_ for id_, m in steps.last.items() if m.change.state in CLOSED_AT_BROKER]
    if over:
        await connection.execute(_DROP_COMMANDS, over)


async def observe(connection: Connection, known: Sequence[tuple[str, Word]]) -> None:
    """Keep what was said, whatever it changes."""
    reports = [word.report for _, word in known]
    await connection.execute(
        _OBSERVE,
        [order_id for order_id, _ in known],
        [word.account_id for _, word in known],
        [word.source for _, word in known],
        [word.received_at for _, word in known],
        [report.broker_order_id if report else None for report in reports],
        [word.report.status if word.report else word.problem for _, word in known],
        [report.filled_quantity if report else None for report in reports],
        [report.average_price if report else None for report in reports],
        [report.code if report else None for report in reports],
        [word.report.message if word.report else word.message for _, word in known],
    )


@dataclass(slots=True)
class _Steps:
    was: dict[str, int] = field(default_factory=dict)
    last: dict[str, Moved] = field(default_factory=dict)

    def add(self, moved: Moved) -> None:
        self.was.setdefault(moved.row.order_id, moved.row.version - 1)
        self.last[moved.row.order_id] = moved


def _or(value: int | None, otherwise: int) -> int:
    return otherwise if value is None else value


def _row(row: asyncpg.Record) -> OrderRow:
    average: Decimal | None = row["average_price"]
    expires_at: datetime = row["expires_at"]
    return OrderRow(
        order_id=row["order_id"],
        version=row["version"],
        state=OrderState(row["state"]),
        account_id=row["account_id"],
        user_id=row["user_id"],
        client_order_id=row["client_order_id"],
        instrument=row["instrument"],
        quantity=row["quantity"],
        filled_quantity=row["filled_quantity"],
        average_price=average,
        broker_order_id=row["broker_order_id"],
        attempts=row["attempts"],
        expires_at=expires_at,
        reason=row["reason"],
        acknowledged_at=row["acknowledged_at"],
        filled_at=row["filled_at"],
    )
