"""A master trades at the broker himself: his followers get it, and what he copies never comes back.

The one in the middle is both: he follows a first master with the very account that is captured.
"""

import asyncio
import json
import time
import uuid
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from deploy.local.layout import Ports
from deploy.local.people import ADMIN
from deploy.local.visitor import Visitor
from libs.brokers.registry import BROKERS
from tests.e2e.live import LiveStack

pytestmark = pytest.mark.timeout(900)

_SHARE = "NSE:INFY"
_WITHIN_S = 90.0


@dataclass(frozen=True, slots=True)
class Someone:
    """Signed in; `account_id` is his, `client_id` what the broker calls it."""

    visitor: Visitor
    account_id: str
    client_id: str

    async def strategy(self) -> str:
        body = {"name": f"Capture {uuid.uuid4().hex[:8]}"}
        return str((await self.visitor.call("POST", "/strategies", body))["strategy_id"])

    async def follows(self, strategy_id: str) -> None:
        body = {
            "strategy_id": strategy_id,
            "account_id": self.account_id,
            "sizing": {"mode": "MULTIPLIER", "value": "2"},
        }
        await self.visitor.call("POST", "/follows", body)

    async def signals(self, count: int) -> list[dict[str, Any]]:
        """Wait for so many own signals; return them, oldest first."""
        return (await _until(self.visitor, "/signals", "signals", count))[::-1]

    async def orders(self, count: int) -> list[dict[str, Any]]:
        """Wait until so many own orders are filled or cancelled; return them by number."""
        over = {"FILLED", "CANCELLED"}
        orders = await _until(self.visitor, "/orders", "orders", count, over)
        return sorted(orders, key=lambda order: str(order["planned_at"]))


async def test_own_orders_are_copied_and_copied_orders_are_not(stack: LiveStack) -> None:
    async with AsyncExitStack() as opened:
        owner = await opened.enter_async_context(at_the_broker(stack))
        first = await opened.enter_async_context(somebody(stack, "master"))
        middle = await opened.enter_async_context(somebody(stack, "master", "follower"))
        last = await opened.enter_async_context(somebody(stack, "follower"))
        above, own = await first.strategy(), await middle.strategy()
        await middle.follows(above)
        await last.follows(own)
        # Before the capture: history, whatever becomes of it.
        waits = await owner.places(middle, "BUY", 1, limit_price="1000")
        capture = {"account_id": middle.account_id, "on": True}
        await middle.visitor.call("PUT", f"/strategies/{own}/capture", capture)
        await asyncio.sleep(1.5)

        await first.visitor.emit(_buy(above, 3))
        copied = (await middle.orders(1))[0]
        await owner.places(middle, "BUY", 5)
        await owner.places(middle, "SELL", 5)
        signals = await middle.signals(2)
        orders = await last.orders(2)

    assert (copied["quantity"], copied["state"]) == (6, "FILLED")
    assert waits not in str(signals)
    assert [signal["action"] for signal in signals] == ["PLACE", "EXIT"]
    assert [(order["side"], order["quantity"]) for order in orders] == [("BUY", 10), ("SELL", 10)]


@dataclass(frozen=True, slots=True)
class Owners:
    """The broker's own application, as far as its simulator plays it."""

    http: httpx.AsyncClient

    async def places(self, of: Someone, side: str, quantity: int, **terms: str) -> str:
        body = {
            "client_id": of.client_id,
            "instrument": _SHARE,
            "side": side,
            "quantity": quantity,
            "order_type": "LIMIT" if terms else "MARKET",
            **terms,
        }
        answer = await self.http.post("/_control/foreign-order", json=body)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["order_id"])


@asynccontextmanager
async def at_the_broker(stack: LiveStack) -> AsyncIterator[Owners]:
    ports = Ports(**json.loads((stack.state / "stack.json").read_text())["ports"])
    url = f"http://127.0.0.1:{ports.simulator_of(BROKERS[0])}"
    async with httpx.AsyncClient(base_url=url, trust_env=False) as http:
        yield Owners(http)


@asynccontextmanager
async def somebody(stack: LiveStack, *roles: str) -> AsyncIterator[Someone]:
    """Make a person, sign them in and connect an account of their own."""
    name = uuid.uuid4().hex[:8]
    email, client_id = f"{name}@lockstep.local", f"CP{int(name, 16) % 100_000:05d}"
    body = {
        "email": email,
        "password": stack.password,
        "display_name": name,
        "roles": list(roles),
    }
    async with stack.visitor(ADMIN) as admin:
        if not await admin.signed_in():
            await admin.sign_in(ADMIN, stack.password)
        await admin.call("POST", "/auth/users", body)
    side = "client" if "follower" in roles else "trader"
    link = f"/{side}/broker/{BROKERS[0]}"
    async with Visitor(stack.web_url) as visitor:
        await visitor.sign_in(email, stack.password)
        await visitor.connect(link, {"client_id": client_id, "pin": "1234"})
        status = (await visitor.call("GET", f"{link}/status"))["data"]
        yield Someone(visitor, str(status["account_id"]), client_id)


def _buy(strategy_id: str, quantity: int) -> dict[str, Any]:
    return {
        "strategy_id": strategy_id,
        "action": "PLACE",
        "instrument": _SHARE,
        "side": "BUY",
        "product": "INTRADAY",
        "terms": {"order_type": "MARKET", "quantity": quantity},
    }


async def _until(
    visitor: Visitor, path: str, name: str, count: int, states: set[str] | None = None
) -> list[dict[str, Any]]:
    """Wait for exactly so many rows, a little longer in case there come more."""
    deadline = time.monotonic() + _WITHIN_S
    while time.monotonic() < deadline:
        found = (await visitor.call("GET", path))[name]
        if len(found) >= count and all(not states or row["state"] in states for row in found):
            break
        await asyncio.sleep(0.1)
    await asyncio.sleep(1)
    rows: list[dict[str, Any]] = (await visitor.call("GET", path))[name]
    assert len(rows) == count, rows
    assert all(not states or row["state"] in states for row in rows), rows
    return rows
