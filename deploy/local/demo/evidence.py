"""Reads both sides at the end of the day: our ledger, and the simulator's journal and books."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import asyncpg
import httpx

from deploy.local.demo.judge import JournalOrder, LedgerOrder

_PAGE = 10_000
_ELIGIBLE = """
SELECT e.signal_id::text, f.account_id::text
FROM signal.emitted e JOIN signal.signals s USING (signal_id)
JOIN signal.follows_now f ON f.strategy_id = e.strategy_id AND f.from_seq < e.seq
    AND (f.until_seq IS NULL OR e.seq <= f.until_seq)
WHERE e.signal_id = ANY($1::uuid[]) AND (s.action = 'PLACE' OR (s.action = 'EXIT' AND EXISTS (
    SELECT FROM executor.orders o WHERE o.strategy_id = e.strategy_id AND o.seq < e.seq
        AND o.account_id = f.account_id AND o.action = 'PLACE' AND o.filled_quantity > 0
        AND o.instrument = $2)))
"""


@dataclass(frozen=True, slots=True)
class Simulator:
    """The control routes of one broker's simulator."""

    http: httpx.AsyncClient

    async def cursor(self) -> int:
        state = (await self.http.get("/_control/state")).raise_for_status().json()
        return int(state["journal_last"])

    async def prices(self) -> Mapping[str, str]:
        answer = (await self.http.get("/_control/prices")).raise_for_status()
        prices: Mapping[str, str] = answer.json()["prices"]
        return prices

    async def move(self, instrument: str, price: str) -> None:
        body = {"instrument": instrument, "price": price}
        (await self.http.put("/_control/price", json=body)).raise_for_status()

    async def slow_down(self, latency_ms: int) -> None:
        body = {"latency_ms": latency_ms}
        (await self.http.put("/_control/knobs", json=body)).raise_for_status()

    async def created(self, after: int) -> list[Mapping[str, str]]:
        """List the order creations in the journal after a cursor."""
        entries: list[Mapping[str, str]] = []
        while True:
            answer = await self.http.get(
                "/_control/journal", params={"after": after, "limit": _PAGE, "kind": "order"}
            )
            page = answer.raise_for_status().json()
            if not page["entries"]:
                return entries
            entries += page["entries"]
            after = page["last"]

    async def orders(self, after: int) -> list[JournalOrder]:
        """Join the creations with how the books have those orders now."""
        entries = await self.created(after)
        books: dict[str, Mapping[str, object]] = {}
        for client_id in sorted({entry["client_id"] for entry in entries}):
            answer = await self.http.get(f"/_control/accounts/{client_id}/book")
            for order in answer.raise_for_status().json()["orders"]:
                books[order["order_id"]] = order
        return [_journal_order(entry, books[entry["order_id"]]) for entry in entries]


@dataclass(frozen=True, slots=True)
class Ledger:
    """Our own database, read as its owner."""

    pool: asyncpg.Pool

    async def orders(self, signal_ids: Sequence[str]) -> list[LedgerOrder]:
        rows = await self.pool.fetch(
            """SELECT signal_id::text, account_id::text, leg, issue, client_order_id AS tag, broker,
                state, reason, broker_order_id, quantity, filled_quantity, accepted_at
            FROM executor.orders WHERE signal_id = ANY($1::uuid[])""",
            signal_ids,
        )
        return [LedgerOrder(**dict(row)) for row in rows]

    async def eligible(
        self, signal_ids: Sequence[str], exit_instrument: str
    ) -> list[tuple[str, str]]:
        rows = await self.pool.fetch(_ELIGIBLE, signal_ids, exit_instrument)
        return [(row["signal_id"], row["account_id"]) for row in rows]

    async def states(self, signal_id: str) -> list[str]:
        rows = await self.pool.fetch(
            "SELECT state FROM executor.orders WHERE signal_id = $1", signal_id
        )
        return [row["state"] for row in rows]

    async def changes(self, signal_ids: Sequence[str]) -> dict[str, int]:
        """Count the orders at the broker that a MODIFY, CANCEL or EXIT changed, per signal."""
        rows = await self.pool.fetch(
            """SELECT signal_id::text, count(*) AS n FROM executor.commands
            WHERE signal_id = ANY($1::uuid[]) AND state = 'DONE' GROUP BY signal_id""",
            signal_ids,
        )
        return {row["signal_id"]: row["n"] for row in rows}

    async def sizing_modes(self, signal_ids: Sequence[str]) -> list[str]:
        """List the ways to size of the follows that got an order."""
        rows = await self.pool.fetch(
            """SELECT DISTINCT f.sizing_mode FROM executor.orders o
            JOIN signal.follows f USING (follow_id)
            WHERE o.signal_id = ANY($1::uuid[]) AND o.state <> 'SKIPPED' ORDER BY 1""",
            signal_ids,
        )
        return [row["sizing_mode"] for row in rows]

    async def changes_done(self, signal_id: str) -> tuple[int, int]:
        """Count the commands of a MODIFY or CANCEL: those that are over, and all."""
        row = await self.pool.fetchrow(
            """SELECT count(*) FILTER (WHERE state NOT IN ('DUE', 'SENDING')) AS done,
                count(*) AS all FROM executor.commands WHERE signal_id = $1""",
            signal_id,
        )
        return (row["done"], row["all"]) if row else (0, 0)


def delays_ms(
    ledger: Iterable[LedgerOrder], journal: Iterable[JournalOrder]
) -> tuple[list[float], list[float]]:
    """Measure per signal: accepted to first and to last order, by the journal's clock."""
    created = {order.tag: order.created_at for order in journal}
    by_signal: dict[str, list[float]] = {}
    for order in ledger:
        if order.tag in created:
            delay = (created[order.tag] - order.accepted_at).total_seconds() * 1000
            by_signal.setdefault(order.signal_id, []).append(delay)
    return [min(d) for d in by_signal.values()], [max(d) for d in by_signal.values()]


def _journal_order(entry: Mapping[str, str], now: Mapping[str, object]) -> JournalOrder:
    return JournalOrder(
        broker_order_id=entry["order_id"],
        tag=entry["tag"],
        created_at=datetime.fromisoformat(entry["at"]),
        status=str(now["status"]),
        filled_quantity=int(str(now["filled_quantity"])),
    )
