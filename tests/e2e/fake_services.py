"""Stands for every service behind the edge, on one port: what a page needs, and what can go wrong.

For pages alone: whole journeys run against the real services.
"""

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.types import ASGIApp
from starlette.websockets import WebSocket, WebSocketDisconnect

from libs.brokers.registry import BROKERS

PASSWORD = "right-password"
STRATEGIES = {"s-momentum": "Momentum 30", "s-large": "Large caps, low turnover"}
Order = dict[str, Any]


def instant(at: datetime) -> str:
    return at.isoformat(timespec="microseconds").replace("+00:00", "Z")


def an_order(number: int, **changes: Any) -> Order:
    """One order as `GET /orders` shows it; a higher number is newer."""
    at = datetime.now(UTC) - timedelta(seconds=max(0, 5000 - 7 * number))
    order: Order = {
        "order_id": f"0193a000-0000-7000-8000-{number:012d}",
        "version": 4,
        "change_id": str(1000 + number),
        "at": instant(at + timedelta(milliseconds=400)),
        "state": "FILLED",
        "action": "PLACE",
        "signal_id": f"signal-{number}",
        "strategy_id": "s-momentum",
        "follow_id": "follow-1",
        "master_id": "u-master",
        "account_id": "0193b000-0000-7000-8000-0000000a4c21",
        "broker": BROKERS[0],
        "client_order_id": f"k3v9q0m2x7b{number:04d}",
        "instrument": "NSE:SBIN",
        "side": "BUY" if number % 2 else "SELL",
        "product": "INTRADAY",
        "order_type": "LIMIT",
        "quantity": 40,
        "limit_price": "812.50",
        "trigger_price": None,
        "filled_quantity": 40,
        "average_price": "812.45",
        "broker_order_id": f"26112300{number:06d}",
        "environment": "PAPER",
        "retry_of": None,
        "reason": None,
        "message": "",
        "planned_at": instant(at),
        "accepted_at": instant(at - timedelta(milliseconds=4)),
        "sent_at": instant(at + timedelta(milliseconds=9)),
    }
    return order | changes


def a_history(order: Order) -> list[dict[str, Any]]:
    """Every state up to the order's own, each a little later."""
    states = ["PLANNED", "SENDING", "OPEN", order["state"]][-max(1, order["version"]) :]
    begin = datetime.fromisoformat(order["planned_at"])
    return [
        {
            "version": version,
            "state": state,
            "reason": order["reason"] if state == order["state"] else None,
            "message": order["message"] if state == order["state"] else "",
            "quantity": order["quantity"],
            "filled_quantity": order["filled_quantity"] if state == order["state"] else 0,
            "average_price": order["average_price"] if state == order["state"] else None,
            "limit_price": order["limit_price"],
            "trigger_price": order["trigger_price"],
            "at": instant(begin + timedelta(milliseconds=37 * (version - 1) ** 2)),
        }
        for version, state in enumerate(states, start=1)
    ]


@dataclass
class FakeServices:
    """Everything at once; tests change the fields and push frames."""

    orders: dict[str, Order] = field(default_factory=dict)
    notices: list[dict[str, Any]] = field(default_factory=list)
    people: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    # Status for GET /orders; 0 never answers.
    orders_status: int = 200
    accept_sockets: bool = True
    sockets: set[WebSocket] = field(default_factory=set)
    _cursor: int = 0
    _changes: dict[str, int] = field(default_factory=dict)

    def app(self) -> Starlette:
        return Starlette(
            routes=[
                Route("/auth/options", self.options),
                Route("/auth/sign-in", self.sign_in, methods=["POST"]),
                Route("/auth/sign-out", self.sign_out, methods=["POST"]),
                Route("/auth/me", self.me),
                Route("/strategies", self.strategies),
                Route("/orders", self.list_orders),
                Route("/orders/{order_id}", self.one_order),
                Route("/orders/{order_id}/retry", self.retry, methods=["POST"]),
                Route("/notifications", self.list_notices),
                Route("/notifications/{notice_id}/read", self.read_notice, methods=["POST"]),
                WebSocketRoute("/ws/orders", self.live),
            ]
        )

    def put(self, *orders: Order) -> None:
        for order in orders:
            self._cursor += 1
            self._changes[order["order_id"]] = self._cursor
            self.orders[order["order_id"]] = order

    async def push(self, *orders: Order) -> None:
        """Change orders and tell every open socket."""
        self.put(*orders)
        for order in orders:
            await self.send({"type": "order", "order": order})

    async def send(self, frame: Mapping[str, Any]) -> None:
        for opened in list(self.sockets):
            await opened.send_text(json.dumps(frame))

    async def cut(self, code: int = 1012) -> None:
        """Close every socket; new ones are refused while `accept_sockets` is False."""
        for opened in list(self.sockets):
            with suppress(RuntimeError):
                await opened.close(code)
        self.sockets.clear()

    async def options(self, _: Request) -> Response:
        listed = [
            {k: person[k] for k in ("email", "display_name", "roles")} | {"password": PASSWORD}
            for person in self.people.values()
        ]
        return JSONResponse({"environment": "local", "demo_sign_ins": listed})

    async def sign_in(self, request: Request) -> Response:
        body = await request.json()
        person = self.people.get(body["email"])
        if person is None or body["password"] != PASSWORD:
            wrong = {"code": "WRONG_CREDENTIALS", "message": "E-mail or password is wrong."}
            return JSONResponse(wrong, 401)
        response = JSONResponse(dict(person))
        response.set_cookie("lockstep", body["email"], httponly=True, samesite="lax")
        return response

    async def sign_out(self, _: Request) -> Response:
        response = JSONResponse({"code": "SIGNED_OUT", "message": "Signed out."})
        response.delete_cookie("lockstep")
        return response

    async def me(self, request: Request) -> Response:
        person = self.people.get(request.cookies.get("lockstep", ""))
        return JSONResponse(dict(person)) if person else _signed_out()

    async def strategies(self, _: Request) -> Response:
        named = [{"strategy_id": key, "name": name} for key, name in STRATEGIES.items()]
        return JSONResponse({"strategies": named, "cursor": None})

    async def list_orders(self, request: Request) -> Response:
        if request.cookies.get("lockstep", "") not in self.people:
            return _signed_out()
        if self.orders_status == 0:
            await asyncio.sleep(60)
        if self.orders_status != 200:
            away = {"code": "INTERNAL", "message": "Something went wrong here. Nothing was lost."}
            return JSONResponse(away | {"correlation_id": "c0ffee-1"}, self.orders_status)
        after = int(request.query_params.get("after", 0))
        changed = [o for key, o in self.orders.items() if self._changes[key] > after]
        return JSONResponse({"orders": changed, "cursor": str(self._cursor)})

    async def one_order(self, request: Request) -> Response:
        order = self.orders.get(request.path_params["order_id"])
        if order is None:
            return JSONResponse(
                {"code": "NO_SUCH_ORDER", "message": "There is no such order."}, 404
            )
        return JSONResponse({"order": order, "history": a_history(order)})

    async def retry(self, request: Request) -> Response:
        """Try an exit again, as an order that is at its broker at once."""
        failed = self.orders[request.path_params["order_id"]]
        again = an_order(len(self.orders) + 1_000, action="EXIT", state="ACKED")
        again |= {"retry_of": failed["order_id"], "filled_quantity": 0, "average_price": None}
        await self.push(again)
        return JSONResponse({"orders": [again], "message": "A new order tries again."})

    async def list_notices(self, _: Request) -> Response:
        unread = sum(1 for notice in self.notices if not notice["read_at"])
        return JSONResponse({"notifications": self.notices, "unread": unread, "cursor": None})

    async def read_notice(self, request: Request) -> Response:
        for notice in self.notices:
            if notice["notice_id"] == request.path_params["notice_id"]:
                notice["read_at"] = instant(datetime.now(UTC))
        return JSONResponse({"code": "SUCCESS", "message": "Marked as read."})

    async def live(self, websocket: WebSocket) -> None:
        if not self.accept_sockets:
            await websocket.send_denial_response(JSONResponse({"code": "SERVICE_AWAY"}, 503))
            return
        await websocket.accept()
        if websocket.cookies.get("lockstep", "") not in self.people:
            await websocket.close(4401)
            return
        now = instant(datetime.now(UTC))
        await websocket.send_json({"type": "hello", "server_time": now, "heartbeat_s": 10})
        self.sockets.add(websocket)
        with suppress(WebSocketDisconnect):
            while True:
                await websocket.receive_text()
        self.sockets.discard(websocket)


def _signed_out() -> Response:
    return JSONResponse({"code": "SIGN_IN_REQUIRED", "message": "Sign in first."}, 401)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@asynccontextmanager
async def served(app: ASGIApp, port: int) -> AsyncIterator[str]:
    """Serve an app on loopback; gives its address."""
    config = uvicorn.Config(
        app, port=port, log_config=None, ws="websockets-sansio", timeout_graceful_shutdown=1
    )
    server = uvicorn.Server(config)
    running = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110  # uvicorn has no event for it.
        await asyncio.sleep(0.01)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        await running
