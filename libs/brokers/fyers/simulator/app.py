"""The simulator as one ASGI application: REST, login pages, order socket, control routes."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from starlette.types import Receive, Scope, Send

from libs.brokers.fyers.simulator import order_ids, replies
from libs.brokers.fyers.simulator.browser import Browser
from libs.brokers.fyers.simulator.catalogue import catalogue
from libs.brokers.fyers.simulator.endpoints import Endpoint, Endpoints
from libs.brokers.fyers.simulator.hidden import HiddenOrders
from libs.brokers.fyers.simulator.limits import Limits, Rules
from libs.brokers.fyers.simulator.market_data import MarketData
from libs.brokers.fyers.simulator.order_socket import OrderSockets
from libs.brokers.fyers.simulator.replies import Refused, refusal
from libs.brokers.fyers.simulator.sessions import Sessions
from libs.brokers.fyers.simulator.tokens import load_signer
from libs.paper.server.control import build_control
from libs.paper.server.desk import Clock, Desk, StateUnreadable
from libs.paper.server.door import Door
from libs.paper.server.journal import Journal
from libs.paper.server.knobs import ORDER_WRITES, Knobs, Operation
from libs.paper.server.requests import Answer, Arrival

ORDER_SOCKET = "/trade/v3"
_FILES = "/sym_details/"
_DEAD_LINES_EVERY_S = 1.0
_UNKNOWN_TOKEN = -16


def utc_now() -> datetime:
    return datetime.now(UTC)


def build_simulator(
    *,
    state_dir: Path,
    app_id: str = "LOCKSTEP01-100",
    app_secret: str = "paper-secret",  # noqa: S107 - opens paper accounts only.
    control_token: str | None = None,
    limits_enabled: bool = True,
    clock: Clock = utc_now,
) -> "FyersSimulator":
    """Build the simulator over the state in `state_dir` (made when missing).

    Any app id is known, all by the same secret; `app_id` is only named in `/_control/state`.
    The application keeps its lifespan itself; in a test without a server use `running()`.
    """
    simulator = FyersSimulator(state_dir, app_secret, Rules(enabled=limits_enabled), clock)
    simulator.app_id = app_id
    simulator.control = build_control(simulator, control_token)
    return simulator


class FyersSimulator:
    """One paper FYERS. Everything between `identify` and `answer` is synchronous."""

    app_id: str
    control: Any

    def __init__(self, state_dir: Path, app_secret: str, rules: Rules, clock: Clock) -> None:
        """Put the parts together; nothing is read or served before `running`."""
        self.desk = Desk(Journal(state_dir / "journal.jsonl"), clock, order_ids.order_id)
        self.knobs = Knobs()
        self._is_running = False
        signer = load_signer(state_dir)
        self._limits = Limits(rules)
        self._hidden = HiddenOrders(clock)
        self._sessions = Sessions(self.desk, signer, app_secret)
        self._endpoints = Endpoints(self.desk, self.knobs, self._sessions, self._hidden)
        self._market = MarketData(self.desk)
        self._browser = Browser(self.desk, self._sessions, signer)
        self._sockets = OrderSockets(self.desk, self.knobs, self._sessions, self._hidden.left_s)
        self._door = Door(self.desk, self.knobs, self)
        self.desk.on_reset(self._after_reset)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
        elif scope["type"] == "websocket":
            await self._websocket(scope, receive, send)
        elif scope["path"].startswith("/_control/"):
            await self.control(scope, receive, send)
        else:
            await self._door.serve(scope, receive, send)

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Replay the state, then keep journal and clockwork going."""
        self.desk.replay()
        self.desk.exchange.listen(self._sockets)
        async with self.desk.journal:
            self.desk.pass_time()
            clockwork = [
                asyncio.create_task(self.desk.run()),
                asyncio.create_task(self._cut_dead_lines()),
            ]
            self._is_running = True
            try:
                yield
            finally:
                self._is_running = False
                for task in clockwork:
                    task.cancel()
                await asyncio.gather(*clockwork, return_exceptions=True)

    @property
    def is_ready(self) -> bool:
        return self._is_running and self.desk.journal.broken is None

    def identify(self, arrival: Arrival) -> None:
        endpoint = self._find(arrival)
        if endpoint is None:
            return
        arrival.operation = endpoint.operation
        arrival.secret_body = endpoint.operation is Operation.LOGIN
        if endpoint.needs_session:
            # A bad token is answered as such later; here it only means nobody.
            with contextlib.suppress(Refused):
                arrival.client_id = self._sessions.of_header(arrival.authorization).client_id

    def answer(self, arrival: Arrival) -> Answer:
        try:
            endpoint = self._find(arrival)
            if endpoint is None:
                return self._file(arrival)
            if endpoint.needs_session:
                client_id = self._client_of(arrival, endpoint)
                self._limits.check(
                    client_id,
                    is_order=endpoint.operation in ORDER_WRITES,
                    at=arrival.at,
                    now_ns=arrival.monotonic_ns,
                )
            return endpoint.handle(arrival)
        except Refused as error:
            return refusal(error)

    def without_order_id(self, arrival: Arrival) -> Answer:
        return replies.without_order_id(arrival.operation)

    def unknown_code(self, arrival: Arrival) -> Answer:
        return replies.unknown_code()

    def open_account(self, client_id: str, funds: Decimal, pin: str) -> None:
        self._sessions.open_account(client_id, funds, pin)

    def expire_sessions(self, client_id: str | None) -> int:
        ended = self._sessions.end(client_id)
        self._sockets.cut_dead()
        return len(ended)

    def authorize(self, *, client_id: str, app_id: str, redirect_uri: str, state: str) -> str:
        return self._browser.authorize(
            client_id=client_id, app_id=app_id, redirect_uri=redirect_uri, state=state
        )

    def drop_feed(self, client_id: str | None, for_s: float) -> int:
        return self._sockets.drop(client_id, for_s)

    async def replay_feed(self, client_id: str | None, *, is_reversed: bool, times: int) -> int:
        return await self._sockets.replay(client_id, is_reversed=is_reversed, times=times)

    def limits(self) -> Mapping[str, Any]:
        return asdict(self._limits.rules)

    def set_limits(self, changes: Mapping[str, Any]) -> None:
        self._limits.change(changes)

    def state(self) -> Mapping[str, Any]:
        return {
            "broker": "fyers",
            "app_id": self.app_id,
            "sessions": self._sessions.count,
            "order_sockets": self._sockets.count,
        }

    def _find(self, arrival: Arrival) -> Endpoint | None:
        for found_by in (self._endpoints, self._market, self._browser):
            if endpoint := found_by.find(arrival.method, arrival.path):
                return endpoint
        return None

    def _client_of(self, arrival: Arrival, endpoint: Endpoint) -> str:
        try:
            return self._sessions.of_header(arrival.authorization).client_id
        except Refused as error:
            if endpoint.operation is Operation.MARKET and error.code == _UNKNOWN_TOKEN:
                # The data API has a code of its own for a token it cannot read.
                raise Refused(-15, "Please provide valid token") from error
            raise

    def _file(self, arrival: Arrival) -> Answer:
        """Serve the contract files, 404 for every path nobody knows."""
        content = catalogue().files.get(arrival.path.removeprefix(_FILES))
        if arrival.method == "GET" and arrival.path.startswith(_FILES) and content is not None:
            return Answer(status=200, body=content, content_type=b"text/csv")
        raise Refused(-404, f"no such path {arrival.path}", http_status=404)

    async def _websocket(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] == ORDER_SOCKET:
            await self._sockets.serve(scope, receive, send)
            return
        await receive()
        await send({"type": "websocket.http.response.start", "status": 404, "headers": []})
        await send({"type": "websocket.http.response.body", "body": b""})

    async def _cut_dead_lines(self) -> None:
        while True:
            await asyncio.sleep(_DEAD_LINES_EVERY_S)
            self._sockets.cut_dead()

    def _after_reset(self) -> None:
        self._limits.forget()
        self._hidden.clear()
        self._sockets.forget()
        self.desk.exchange.listen(self._sockets)

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        await receive()
        try:
            async with self.running():
                await send({"type": "lifespan.startup.complete"})
                await receive()
        except StateUnreadable as error:
            await send({"type": "lifespan.startup.failed", "message": str(error)})
            return
        await send({"type": "lifespan.shutdown.complete"})
