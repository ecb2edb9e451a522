"""Reads both sides at the end of the day: our ledger, and the simulator's journal and books."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime

import asyncpg
import httpx

from deploy.local.demo.judge import WORKING_STATES, JournalOrder, LedgerOrder
from deploy.local.problems import Problem

_PAGE = 10_000
# Who must have a row: every follower of a PLACE, and of an EXIT those who got something there.
_ELIGIBLE = """
SELECT e.signal_id::text, f.account_id::text
FROM unnest($1::uuid[], $2::text[]) AS mine (signal_id, instrument)
JOIN signal.emitted e USING (signal_id) JOIN signal.signals s USING (signal_id)
JOIN signal.follows_now f ON f.strategy_id = e.strategy_id AND f.from_seq < e.seq
    AND (f.until_seq IS NULL OR e.seq <= f.until_seq)
WHERE s.action = 'PLACE' OR (s.action = 'EXIT' AND EXISTS (
    SELECT FROM executor.orders o WHERE o.strategy_id = e.strategy_id AND o.seq < e.seq
        AND o.account_id = f.account_id AND o.action = 'PLACE' AND o.filled_quantity > 0
        AND o.instrument = mine.instrument))
"""
_NO_PRICES = "demo-without-prices"
_MONEY_S = 40


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

    @asynccontextmanager
    async def without_prices(self) -> AsyncIterator[None]:
        """Let nobody read a price."""
        knob = {"id": _NO_PRICES, "operations": ["market"], "outcome": "fail_before_act"}
        (await self.http.put("/_control/knobs", json=knob)).raise_for_status()
        try:
            yield
        finally:
            gone = await self.http.delete("/_control/knobs", params={"id": _NO_PRICES})
            gone.raise_for_status()

    async def money_read(self, client_ids: Iterable[str], since: datetime) -> None:
        """Wait until the holdings of these accounts were asked for: only for money they are."""
        unread, after = set(client_ids), 0
        deadline = time.monotonic() + _MONEY_S
        while unread:
            entries, after = await self._journal("arrival", after)
            unread -= {
                str(entry["client_id"])
                for entry in entries
                if "holding" in entry["path"].lower() and _instant(entry["at"]) >= since
            }
            if time.monotonic() > deadline:
                raise Problem(
                    f"After {_MONEY_S} s the money of {', '.join(sorted(unread))} was not read",
                    "Read the logs of the executors (run/log)",
                )
            if unread and not entries:
                await asyncio.sleep(0.1)

    async def created(self, after: int) -> list[Mapping[str, str]]:
        """List the order creations in the journal after a cursor."""
        entries: list[Mapping[str, str]] = []
        while True:
            page, after = await self._journal("order", after)
            if not page:
                return entries
            entries += page

    async def orders(self, after: int) -> list[JournalOrder]:
        """Join the creations with how the books have those orders now."""
        entries = await self.created(after)
        books: dict[str, Mapping[str, object]] = {}
        for client_id in sorted({entry["client_id"] for entry in entries}):
            answer = await self.http.get(f"/_control/accounts/{client_id}/book")
            for order in answer.raise_for_status().json()["orders"]:
                books[order["order_id"]] = order
        return [_journal_order(entry, books[entry["order_id"]]) for entry in entries]

    async def _journal(self, kind: str, after: int) -> tuple[list[Mapping[str, str]], int]:
        """Read a page of the journal; return it with the cursor behind it."""
        answer = await self.http.get(
            "/_control/journal", params={"after": after, "limit": _PAGE, "kind": kind}
        )
        page = answer.raise_for_status().json()
        return page["entries"], page["last"] if page["entries"] else after


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

    async def eligible(self, instruments: Mapping[str, str]) -> list[tuple[str, str]]:
        """List by signal and account who must have a row; `instruments` are those of signals."""
        rows = await self.pool.fetch(_ELIGIBLE, list(instruments), list(instruments.values()))
        return [(row["signal_id"], row["account_id"]) for row in rows]

    async def states(self, signal_id: str) -> list[tuple[str, str]]:
        """List the account and the state of every order of a signal."""
        rows = await self.pool.fetch(
            "SELECT account_id::text, state FROM executor.orders WHERE signal_id = $1", signal_id
        )
        return [(row["account_id"], row["state"]) for row in rows]

    async def working(self, signal_id: str) -> int:
        """Count the orders of a signal that rest at the broker."""
        states = await self.states(signal_id)
        return sum(state in WORKING_STATES for _, state in states)

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

    async def copy_modes(self, signal_ids: Sequence[str]) -> list[str]:
        """List the ways to copy of the strategies that brought somebody an order."""
        rows = await self.pool.fetch(
            """SELECT DISTINCT s.copy_mode FROM executor.orders o
            JOIN signal.strategies s USING (strategy_id)
            WHERE o.signal_id = ANY($1::uuid[]) AND o.state <> 'SKIPPED' ORDER BY 1""",
            signal_ids,
        )
        return [row["copy_mode"] for row in rows]

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
        created_at=_instant(entry["at"]),
        status=str(now["status"]),
        filled_quantity=int(str(now["filled_quantity"])),
    )


def _instant(text: str) -> datetime:
    return datetime.fromisoformat(text)
