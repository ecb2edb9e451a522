"""SQL of what a broker's book of an account was known to hold: the baseline of every comparison."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

import asyncpg

from libs.trading.orders import OrderReport
from libs.trading.reasons import ClosedReason
from libs.trading.states import OrderState

# Ours are found by tag, or by the broker's id of an order that is linked already.
_OURS = """
SELECT order_id, client_order_id, broker_order_id, state, reason, filled_quantity
FROM executor.orders
WHERE account_id = $1 AND client_order_id = ANY($2::text[])
UNION
SELECT order_id, client_order_id, broker_order_id, state, reason, filled_quantity
FROM executor.orders
WHERE account_id = $1 AND broker_order_id = ANY($3::text[])
"""
_KNOWN = """
SELECT broker_order_id, status, filled_quantity, order_id, first_seen_at
FROM executor.known_broker_orders WHERE account_id = $1 AND day = $2
"""
_NOTE = """
INSERT INTO executor.known_broker_orders AS k (account_id, day, broker_order_id, order_id,
    client_order_id, status, instrument, side, product, order_type, quantity, limit_price,
    trigger_price, filled_quantity, average_price, placed_at)
SELECT $1, $2, new.* FROM unnest($3::text[], $4::uuid[], $5::text[], $6::text[], $7::text[],
    $8::text[], $9::text[], $10::text[], $11::bigint[], $12::numeric[], $13::numeric[],
    $14::bigint[], $15::numeric[], $16::timestamptz[]) AS new
ON CONFLICT (account_id, day, broker_order_id) DO UPDATE SET
    order_id = coalesce(excluded.order_id, k.order_id), status = excluded.status,
    order_type = excluded.order_type, quantity = excluded.quantity,
    limit_price = excluded.limit_price, trigger_price = excluded.trigger_price,
    filled_quantity = excluded.filled_quantity, average_price = excluded.average_price,
    changed_at = clock_timestamp()
"""
_READ = """
INSERT INTO executor.account_days (account_id, day, book_read_at)
VALUES ($1, $2, clock_timestamp())
ON CONFLICT (account_id, day) DO UPDATE SET book_read_at = excluded.book_read_at
"""
_NOTE_CARRIED = """
WITH first AS (
    UPDATE executor.account_days SET carried_at = clock_timestamp()
    WHERE account_id = $1 AND day = $2 AND carried_at IS NULL
    RETURNING account_id
)
INSERT INTO executor.carried_positions (account_id, day, instrument, quantity)
SELECT account_id, $2, new.* FROM first, unnest($3::text[], $4::bigint[]) AS new
"""
_CARRIED = """
SELECT account_id, c.instrument, c.quantity
FROM executor.account_days d LEFT JOIN executor.carried_positions c USING (account_id, day)
WHERE account_id = ANY($1::uuid[]) AND day = $2 AND d.carried_at IS NOT NULL
"""
_BEGUN = """
SELECT account_id FROM executor.account_days
WHERE account_id = ANY($1::uuid[]) AND day = $2 AND carried_at IS NOT NULL
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ours:
    """An order of the ledger that a book shows."""

    order_id: str
    client_order_id: str
    broker_order_id: str | None
    state: OrderState
    abandoned: bool
    filled_quantity: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """One order of the baseline, as it was last seen."""

    status: str
    filled_quantity: int
    order_id: str | None
    first_seen_at: datetime


@dataclass(frozen=True, slots=True)
class Baseline:
    pool: asyncpg.Pool

    async def ours(self, account_id: str, rows: Sequence[OrderReport]) -> list[Ours]:
        """Find the ledger's orders among the rows of a book."""
        found = await self.pool.fetch(
            _OURS,
            account_id,
            [row.client_order_id for row in rows if row.client_order_id],
            [row.broker_order_id for row in rows],
        )
        return [
            Ours(
                order_id=row["order_id"],
                client_order_id=row["client_order_id"],
                broker_order_id=row["broker_order_id"],
                state=OrderState(row["state"]),
                abandoned=row["reason"] == ClosedReason.ABANDONED,
                filled_quantity=row["filled_quantity"],
            )
            for row in found
        ]

    async def known(self, account_id: str, day: date) -> dict[str, Known]:
        rows = await self.pool.fetch(_KNOWN, account_id, day)
        return {
            row["broker_order_id"]: Known(
                status=row["status"],
                filled_quantity=row["filled_quantity"],
                order_id=row["order_id"],
                first_seen_at=row["first_seen_at"],
            )
            for row in rows
        }

    async def note(
        self,
        account_id: str,
        day: date,
        news: Sequence[tuple[OrderReport, str | None]],
    ) -> None:
        """Keep what is new in a complete book, and that it was read."""
        async with self.pool.acquire() as connection, connection.transaction():
            await connection.execute(_READ, account_id, day)
            if news:
                await connection.execute(_NOTE, account_id, day, *_columns(news))

    async def note_carried(self, account_id: str, day: date, carried: Mapping[str, int]) -> None:
        """Keep what the account brought into the day; the first sight decides."""
        held = {name: quantity for name, quantity in carried.items() if quantity}
        await self.pool.execute(_NOTE_CARRIED, account_id, day, list(held), list(held.values()))

    async def carried(self, account_id: str, day: date) -> dict[str, int] | None:
        """Return what the account brought into the day by instrument, None when nobody looked."""
        return (await self.all_carried([account_id], day)).get(account_id)

    async def all_carried(self, account_ids: Sequence[str], day: date) -> dict[str, dict[str, int]]:
        """Return what accounts brought into the day; those nobody looked at are missing."""
        rows = await self.pool.fetch(_CARRIED, account_ids, day)
        carried: dict[str, dict[str, int]] = {row["account_id"]: {} for row in rows}
        for row in rows:
            if row["instrument"]:
                carried[row["account_id"]][row["instrument"]] = row["quantity"]
        return carried

    async def begun(self, account_ids: Sequence[str], day: date) -> set[str]:
        """Return those whose baseline of the day is complete."""
        rows = await self.pool.fetch(_BEGUN, account_ids, day)
        return {row["account_id"] for row in rows}


def _columns(news: Sequence[tuple[OrderReport, str | None]]) -> list[list[object]]:
    """Turn reports into the arrays of the insert, in its order."""
    reports = [report for report, _ in news]
    terms = [report.terms for report in reports]
    return [
        [_clean(report.broker_order_id) for report in reports],
        [order_id for _, order_id in news],
        [_clean(report.client_order_id) for report in reports],
        [report.status for report in reports],
        [_clean(report.instrument) for report in reports],
        [report.side for report in reports],
        [report.product for report in reports],
        [t.order_type if t else None for t in terms],
        [t.quantity if t else None for t in terms],
        [t.limit_price if t else None for t in terms],
        [t.trigger_price if t else None for t in terms],
        [report.filled_quantity for report in reports],
        [report.average_price for report in reports],
        [report.at for report in reports],
    ]


def _clean(text: str | None) -> str | None:
    """Take out what Postgres can not hold: one strange row must not hide the whole book."""
    return text.replace("\x00", "") if text else text
