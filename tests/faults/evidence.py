"""Reads both sides: the simulator's journal and books over its control routes, and our database."""

import asyncio
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import asyncpg
import httpx

from services.executor.history_chain import verify_chain
from tests.faults.case import Alarm, Arrival, Created, Ours, Step

_PAGE = 10_000
_PATIENCE_S = 30
_TAGS = ("orderTag", "ordertag", "user_remark")
_AWAY = (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError)
_ORDERS = """
SELECT order_id::text, signal_id::text, account_id::text, leg, issue, client_order_id AS tag,
    action, side, state, reason, version, broker_order_id, filled_quantity, accepted_at,
    expires_at, deadline, changed_at
FROM executor.orders WHERE signal_id = ANY($1::uuid[])
"""
_HISTORY = """
SELECT order_id::text, version, state, at,
    coalesce(pg_xact_commit_timestamp(change_id::xid), at) AS committed_at
FROM executor.order_history WHERE order_id = ANY($1::uuid[]) ORDER BY order_id, version
"""
_NET = """
SELECT account_id::text, instrument,
    sum(CASE side WHEN 'BUY' THEN filled_quantity ELSE -filled_quantity END)::bigint AS net
FROM executor.orders WHERE account_id = ANY($1::uuid[]) AND filled_quantity > 0
GROUP BY account_id, instrument
"""

Net = Mapping[tuple[str, str], int]


@dataclass(slots=True)
class Simulator:
    """The control routes of the broker's simulator, never through a proxy."""

    http: httpx.AsyncClient

    async def ask(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        answer = await self.http.request(method, f"/_control/{path}", json=body)
        return answer.raise_for_status().json()

    async def knob(self, **settings: Any) -> None:
        """Replace the knob of one client (`client_id`) or of everyone."""
        await self.ask("PUT", "knobs", settings)

    async def calm(self) -> None:
        """Remove every knob."""
        await self.ask("DELETE", "knobs")

    async def cursor(self) -> int:
        return int((await self.ask("GET", "state"))["journal_last"])

    async def prices(self) -> dict[str, str]:
        found: dict[str, str] = (await self.ask("GET", "prices"))["prices"]
        return found

    async def book(self, client_id: str) -> Any:
        return await self.ask("GET", f"accounts/{client_id}/book")

    async def entries(self, after: int) -> list[Mapping[str, Any]]:
        """Read the journal's arrivals and orders after a cursor."""
        found: list[Mapping[str, Any]] = []
        while True:
            page = await self.ask("GET", f"journal?after={after}&limit={_PAGE}")
            if not page["entries"]:
                return found
            found += page["entries"]
            after = page["last"]

    async def net(self, client_ids: Mapping[str, str]) -> dict[tuple[str, str], int]:
        """Read net quantities by (account, instrument); `client_ids` maps accounts to clients."""
        found: defaultdict[tuple[str, str], int] = defaultdict(int)
        for account_id, client_id in client_ids.items():
            for position in (await self.book(client_id))["positions"]:
                found[account_id, position["instrument"]] += int(position["net"])
        return found


@dataclass(slots=True)
class Ledger:
    """Our own database, read as its owner; waits while the row has it down."""

    pool: asyncpg.Pool
    failures: list[str] = field(default_factory=list)

    async def fetch(self, query: str, *values: object) -> list[asyncpg.Record]:
        deadline = time.monotonic() + _PATIENCE_S
        while True:
            try:
                rows: list[asyncpg.Record] = await self.pool.fetch(query, *values, timeout=10)
            except _AWAY:
                if time.monotonic() > deadline:
                    raise
                await asyncio.sleep(0.1)
            else:
                return rows

    async def now(self) -> datetime:
        found: datetime = (await self.fetch("SELECT clock_timestamp() AS at"))[0]["at"]
        return found

    async def orders(self, signal_ids: Sequence[str]) -> list[Ours]:
        return [Ours(**dict(row)) for row in await self.fetch(_ORDERS, signal_ids)]

    async def history(self, order_ids: Sequence[str]) -> list[Step]:
        return [Step(**dict(row)) for row in await self.fetch(_HISTORY, order_ids)]

    async def signal_rows(self, signal_ids: Sequence[str]) -> dict[str, int]:
        rows = await self.fetch(
            """SELECT signal_id::text, count(*) AS n FROM signal.signals
            WHERE signal_id = ANY($1::uuid[]) GROUP BY signal_id""",
            signal_ids,
        )
        return {row["signal_id"]: row["n"] for row in rows}

    async def alarms(self, since: datetime) -> list[Alarm]:
        """List the alarms that stood at or after this moment."""
        found = []
        for schema in ("executor", "signal", "streaming"):
            rows = await self.fetch(
                f"""SELECT name, subject, opened_at, cleared_at FROM {schema}.alarms
                WHERE cleared_at IS NULL OR cleared_at >= $1""",  # noqa: S608  # Our own names.
                since,
            )
            found += [Alarm(schema=schema, **dict(row)) for row in rows]
        return found

    async def net(self, account_ids: Sequence[str]) -> dict[tuple[str, str], int]:
        rows = await self.fetch(_NET, account_ids)
        return {(row["account_id"], row["instrument"]): row["net"] for row in rows}

    async def broken_links(self) -> list[str]:
        """Compute the chain of the history anew; name what does not hold."""
        found = await verify_chain(self.pool)
        return [f"shard {link.shard} link {link.n}: {link.why}" for link in found.broken]

    async def owners(self) -> dict[int, int]:
        """Tell which process holds which shard's lease: its number is in the owner's name."""
        rows = await self.fetch(
            """SELECT shard, owner FROM executor.shard_leases WHERE until > clock_timestamp()"""
        )
        return {row["shard"]: int(row["owner"].split(":")[1]) for row in rows}


def arrivals_of(entries: Sequence[Mapping[str, Any]]) -> list[Arrival]:
    """Pick the requests; a change's segment is that of the order it touches."""
    segments = {e["order_id"]: _exchange(e["instrument"]) for e in entries if e["kind"] == "order"}
    return [
        Arrival(
            n=e["n"],
            at=datetime.fromisoformat(e["at"]),
            ns=e["ns"],
            operation=e["operation"],
            client_id=e["client_id"],
            tag=_tag(e["body"]),
            segment=_segment(e["body"]) or segments.get(e["order_id"], ""),
            status=e["status"],
            order_id=e["order_id"],
            answered=e["answered"],
        )
        for e in entries
        if e["kind"] == "arrival"
    ]


async def created_of(entries: Sequence[Mapping[str, Any]], simulator: Simulator) -> list[Created]:
    """Join the creations with how the books have those orders now."""
    creations = [entry for entry in entries if entry["kind"] == "order"]
    books: dict[str, Mapping[str, Any]] = {}
    for client_id in sorted({entry["client_id"] for entry in creations}):
        for order in (await simulator.book(client_id))["orders"]:
            books[order["order_id"]] = order
    return [
        Created(
            n=e["n"],
            order_id=e["order_id"],
            tag=e["tag"],
            client_id=e["client_id"],
            at=datetime.fromisoformat(e["at"]),
            instrument=e["instrument"],
            side=e["side"],
            status=books[e["order_id"]]["status"],
            filled_quantity=int(books[e["order_id"]]["filled_quantity"]),
        )
        for e in creations
    ]


def difference(after: Net, before: Net) -> dict[tuple[str, str], int]:
    """Subtract; what did not change is left out."""
    keys = after.keys() | before.keys()
    gained = {key: after.get(key, 0) - before.get(key, 0) for key in keys}
    return {key: net for key, net in gained.items() if net}


def _tag(body: object) -> str | None:
    if not isinstance(body, dict):
        return None
    return next((str(body[name]) for name in _TAGS if body.get(name)), None)


def _segment(body: object) -> str:
    symbol = body.get("symbol") if isinstance(body, dict) else None
    return _exchange(symbol) if isinstance(symbol, str) else ""


def _exchange(instrument: str) -> str:
    return instrument.partition(":")[0]
