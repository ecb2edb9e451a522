"""Joins a browser's websocket to a service's: frames and close codes pass unchanged."""

import asyncio
from dataclasses import dataclass
from urllib.parse import urlsplit

import structlog
from prometheus_client import Gauge
from starlette.websockets import WebSocket, WebSocketDisconnect
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus, InvalidURI
from websockets.typing import Subprotocol

from services.web.headers import RawHeaders, towards_service
from services.web.problem import problem
from services.web.upstreams import Replicas

log = structlog.get_logger()

OPEN_SOCKETS = Gauge("lockstep_edge_websockets", "Browser websockets now open through the edge.")
FRAME_BYTES_MAX = 1_048_576
OPEN_TIMEOUT_S = 5.0
# Not sendable codes (RFC 6455 7.4.1): "no code" becomes a normal end, a broken line a restart, so
# that the browser comes back.
_SENDABLE = {1005: 1000, 1006: 1012, 1015: 1012}


@dataclass(slots=True)
class WebsocketProxy:
    async def forward(self, browser: WebSocket, replicas: Replicas) -> None:
        """Relay until one side closes; a service's refusal keeps its HTTP status."""
        for url in replicas.in_order():
            try:
                upstream = await _open(browser, url)
            except InvalidStatus as refused:
                replicas.answered(url)
                await _refuse(browser, refused.response.status_code)
                return
            except InvalidURI:
                await browser.send_denial_response(problem(400, "INVALID", "The Host is not one."))
                return
            except (OSError, TimeoutError, InvalidHandshake):
                replicas.refused(url)
                continue
            replicas.answered(url)
            await self._join(browser, upstream)
            return
        log.warning("upstream_away", path=browser.url.path)
        await browser.send_denial_response(
            problem(503, "SERVICE_AWAY", "Live updates are not reachable. Try again in a moment.")
        )

    async def _join(self, browser: WebSocket, upstream: ClientConnection) -> None:
        with OPEN_SOCKETS.track_inprogress():
            try:
                await browser.accept(subprotocol=upstream.subprotocol)
                async with asyncio.TaskGroup() as both:
                    outward = both.create_task(_to_browser(browser, upstream))
                    inward = both.create_task(_to_service(browser, upstream))
                    outward.add_done_callback(lambda _: inward.cancel())
            finally:
                await upstream.close()


async def _open(browser: WebSocket, url: str) -> ClientConnection:
    """Connect to the upstream's address under the name the browser used, so that Host is kept."""
    base = urlsplit(url)
    scheme = "wss" if base.scheme == "https" else "ws"
    host = browser.headers.get("host", base.netloc)
    query = browser.scope["query_string"].decode("latin-1")
    raw_path = (browser.scope.get("raw_path") or browser.url.path.encode()).decode("latin-1")
    offered = [Subprotocol(name) for name in browser.scope.get("subprotocols", [])]
    return await connect(
        f"{scheme}://{host}{raw_path}{'?' + query if query else ''}",
        host=base.hostname,
        port=base.port or (443 if scheme == "wss" else 80),
        additional_headers=_handshake_headers(browser),
        subprotocols=offered or None,
        user_agent_header=None,
        compression=None,
        proxy=None,
        open_timeout=OPEN_TIMEOUT_S,
        max_size=FRAME_BYTES_MAX,
    )


def _handshake_headers(browser: WebSocket) -> list[tuple[str, str]]:
    peer = browser.client.host if browser.client else "unknown"
    scheme = "https" if browser.url.scheme == "wss" else "http"
    headers: RawHeaders = towards_service(browser.scope["headers"], peer=peer, scheme=scheme)
    return [
        (name.decode("latin-1"), value.decode("latin-1"))
        for name, value in headers
        if name != b"host" and not name.startswith(b"sec-websocket-")
    ]


async def _to_browser(browser: WebSocket, upstream: ClientConnection) -> None:
    try:
        async for frame in upstream:
            if isinstance(frame, str):
                await browser.send_text(frame)
            else:
                await browser.send_bytes(frame)
        code, reason = upstream.close_code or 1006, upstream.close_reason or ""
    except ConnectionClosed as closed:
        code, reason = (closed.rcvd.code, closed.rcvd.reason) if closed.rcvd else (1006, "")
    except (RuntimeError, WebSocketDisconnect):
        # The browser closed first; there is nobody left to send to.
        return
    await _close_browser(browser, _SENDABLE.get(code, code), reason)


async def _close_browser(browser: WebSocket, code: int, reason: str) -> None:
    try:
        await browser.close(code, reason)
    except (RuntimeError, WebSocketDisconnect):
        return


async def _to_service(browser: WebSocket, upstream: ClientConnection) -> None:
    while True:
        message = await browser.receive()
        if message["type"] == "websocket.disconnect":
            code = int(message.get("code") or 1005)
            # A browser that vanished is one that went away.
            await upstream.close({1005: 1000, 1006: 1001}.get(code, code))
            return
        try:
            text = message.get("text")
            await upstream.send(text if text is not None else message["bytes"])
        except ConnectionClosed:
            return


async def _refuse(browser: WebSocket, status: int) -> None:
    code = "SIGN_IN_REQUIRED" if status == 401 else "NOT_ALLOWED"
    await browser.send_denial_response(problem(status, code, "The service refused this socket."))
