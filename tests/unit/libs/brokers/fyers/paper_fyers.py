"""The simulator in this process, spoken to as FYERS's own clients speak: raw paths and payloads."""

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx

from libs.brokers.fyers.simulator import build_simulator
from libs.brokers.fyers.simulator.app import FyersSimulator

NOON = datetime(2026, 11, 23, 6, 30, tzinfo=UTC)  # 12:00 in India.
APP, SECRET = "LOCKSTEP01-100", "paper-secret"
CALLBACK = "http://127.0.0.1:8080/broker/callback"
CLIENT = "XB00001"
LOGIN_QUERY = {
    "client_id": APP,
    "redirect_uri": CALLBACK,
    "response_type": "code",
    "state": "a state & more",
}
LIMIT_BUY: dict[str, Any] = {
    "symbol": "NSE:SBIN-EQ",
    "qty": 10,
    "type": 1,
    "side": 1,
    "productType": "INTRADAY",
    "limitPrice": 800.0,
    "stopPrice": 0,
    "validity": "DAY",
    "offlineOrder": False,
    "orderTag": "k3v9q0m2x7b1a4z",
}
MARKET_BUY = LIMIT_BUY | {"type": 2, "limitPrice": 0}


class Clock:
    def __init__(self) -> None:
        self.at = NOON

    def __call__(self) -> datetime:
        return self.at

    def go_on(self, **span: float) -> None:
        self.at += timedelta(**span)


def app_id_hash(app_id: str = APP, secret: str = SECRET) -> str:
    return hashlib.sha256(f"{app_id}:{secret}".encode()).hexdigest()


@dataclass
class PaperFyers:
    simulator: FyersSimulator
    http: httpx.AsyncClient
    clock: Clock

    async def ask(
        self, method: str, path: str, body: object = None, header: str | None = None, **query: str
    ) -> httpx.Response:
        return await self.http.request(
            method,
            f"/api/v3/{path}",
            content=None if body is None else json.dumps(body),
            headers={"Authorization": header} if header else {},
            params=query,
        )

    async def control(self, method: str, path: str, body: object = None) -> Any:
        reply = await self.http.request(method, f"/_control/{path}", json=body)
        assert reply.is_success, reply.text
        return reply.json()

    async def auth_code(self, client_id: str = CLIENT, app_id: str = APP) -> str:
        await self.control("POST", "accounts", {"client_id": client_id})
        body = {"client_id": client_id, "app_id": app_id, "redirect_uri": CALLBACK}
        target = str((await self.control("POST", "authorizations", body))["redirect_to"])
        return parse_qs(urlsplit(target).query)["auth_code"][0]

    async def exchange(self, code: str, digest: str | None = None) -> httpx.Response:
        body = {
            "grant_type": "authorization_code",
            "appIdHash": digest or app_id_hash(),
            "code": code,
        }
        return await self.ask("POST", "validate-authcode", body)

    async def signed_in(self, client_id: str = CLIENT) -> str:
        """Return an `Authorization` header for this client."""
        reply = await self.exchange(await self.auth_code(client_id))
        return f"{APP}:{reply.json()['access_token']}"

    async def place(self, header: str, **changes: Any) -> dict[str, Any]:
        reply = await self.ask("POST", "orders/sync", LIMIT_BUY | changes, header)
        answer: dict[str, Any] = reply.json()
        return answer

    async def move(self, price: str, instrument: str = "NSE:SBIN") -> None:
        await self.control("PUT", "price", {"instrument": instrument, "price": price})


@asynccontextmanager
async def a_paper_fyers(
    state_dir: Path, clock: Clock | None = None, **options: Any
) -> AsyncIterator[PaperFyers]:
    clock = clock or Clock()
    simulator = build_simulator(state_dir=state_dir, clock=clock, **options)
    transport = httpx.ASGITransport(simulator)
    async with (
        simulator.running(),
        httpx.AsyncClient(transport=transport, base_url="http://simulator") as http,
    ):
        yield PaperFyers(simulator, http, clock)


class OrderSocket:
    """A websocket client on bare ASGI messages."""

    def __init__(self, simulator: FyersSimulator, header: str, path: str = "/trade/v3") -> None:
        self._to: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._from: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        scope = {
            "type": "websocket",
            "path": path,
            "headers": [(b"authorization", header.encode())],
        }
        self._to.put_nowait({"type": "websocket.connect"})
        self._task = asyncio.create_task(simulator(scope, self._to.get, self._send))

    async def _send(self, message: Any) -> None:
        self._from.put_nowait(message)

    async def frame(self) -> dict[str, Any]:
        return await asyncio.wait_for(self._from.get(), 5)

    def say(self, text: str) -> None:
        self._to.put_nowait({"type": "websocket.receive", "text": text})

    async def heard(self) -> Any:
        text = (await self.frame())["text"]
        return text if text == "pong" else json.loads(text)

    async def subscribe(self, *kinds: str) -> None:
        assert (await self.frame())["type"] == "websocket.accept"
        self.say(json.dumps({"T": "SUB_ORD", "SLIST": list(kinds), "SUB_T": 1}))
        assert (await self.heard())["code"] == 1605

    def is_silent(self) -> bool:
        return self._from.empty()

    async def hang_up(self) -> None:
        self._to.put_nowait({"type": "websocket.disconnect", "code": 1000})
        await asyncio.wait_for(self._task, 5)
