"""The edge between a real websocket client and a real websocket server, on loopback."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import httpx
import pytest
import uvicorn
from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.typing import Origin

from services.web.app import build_app
from services.web.settings import WebSettings


class Streaming:
    """A service with a socket that tells what it saw, repeats what it hears, ends as told."""

    def __init__(self) -> None:
        self.closed_with: asyncio.Queue[int] = asyncio.Queue()
        self.app = Starlette(
            routes=[
                WebSocketRoute("/ws/orders", self.orders),
                WebSocketRoute("/ws/market", self.refuses),
                Route("/feeds", self.slow),
            ]
        )

    async def orders(self, websocket: WebSocket) -> None:
        await websocket.accept(subprotocol=next(iter(websocket.scope["subprotocols"]), None))
        await websocket.send_json(dict(websocket.headers))
        try:
            while True:
                said = await websocket.receive_text()
                if said.startswith("close "):
                    await websocket.close(int(said.removeprefix("close ")), "as told")
                    return
                await websocket.send_text(said * 1000)
        except WebSocketDisconnect as gone:
            self.closed_with.put_nowait(gone.code)

    async def refuses(self, websocket: WebSocket) -> None:
        await websocket.send_denial_response(JSONResponse({"code": "NO"}, 403))

    async def slow(self, _: Request) -> Response:
        await asyncio.sleep(0.05)
        response = Response("feeds")
        response.set_cookie("a", "1")
        response.set_cookie("b", "2")
        return response


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@asynccontextmanager
async def served(app: FastAPI | Starlette, port: int) -> AsyncIterator[None]:
    config = uvicorn.Config(
        app,
        port=port,
        log_config=None,
        ws="websockets-sansio",
        timeout_graceful_shutdown=1,
        # uvicorn would believe the X-Forwarded-For of anyone on loopback.
        proxy_headers=False,
    )
    server = uvicorn.Server(config)
    running = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110  # uvicorn has no event for it.
        await asyncio.sleep(0.01)
    yield
    server.should_exit = True
    with suppress(asyncio.CancelledError):
        await running


@pytest.fixture
async def streaming(tmp_path: Path) -> AsyncIterator[tuple[Streaming, int]]:
    """Serve a service, and an edge in front of it; give the edge's port."""
    service, behind, front = Streaming(), free_port(), free_port()
    settings = WebSettings(
        streaming_url=f"http://127.0.0.1:{behind}",
        auth_url=f"http://127.0.0.1:{free_port()}",
        static_dir=tmp_path,
    )
    async with served(service.app, behind), served(build_app(settings), front):
        yield service, front


async def test_a_socket_passes_with_its_cookie_origin_host_and_no_service_token(
    streaming: tuple[Streaming, int],
) -> None:
    _, port = streaming
    given = {"Cookie": "lockstep=t", "X-Service-Token": "forged", "X-Forwarded-For": "10.1.1.1"}

    async with connect(
        f"ws://127.0.0.1:{port}/ws/orders?after=7",
        origin=Origin(f"http://127.0.0.1:{port}"),
        additional_headers=given,
    ) as browser:
        seen = await browser.recv()
        await browser.send("frame")
        repeated = await browser.recv()

    assert isinstance(seen, str)
    headers = httpx.Response(200, content=seen).json()
    assert headers["host"] == f"127.0.0.1:{port}"
    assert headers["origin"] == f"http://127.0.0.1:{port}"
    assert headers["cookie"] == "lockstep=t"
    assert headers["x-forwarded-for"] == "127.0.0.1"
    assert "x-service-token" not in headers
    assert repeated == "frame" * 1000


@pytest.mark.parametrize("code", [1000, 1012, 4401, 4403, 4408])
async def test_the_services_close_code_reaches_the_browser(
    streaming: tuple[Streaming, int], code: int
) -> None:
    _, port = streaming

    async with connect(f"ws://127.0.0.1:{port}/ws/orders") as browser:
        await browser.recv()
        await browser.send(f"close {code}")
        with pytest.raises(ConnectionClosed) as closed:
            await browser.recv()

    assert closed.value.rcvd is not None
    assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (code, "as told")


async def test_the_browsers_close_reaches_the_service(streaming: tuple[Streaming, int]) -> None:
    service, port = streaming
    async with connect(f"ws://127.0.0.1:{port}/ws/orders") as browser:
        await browser.recv()

        await browser.close(4000, "leaving")

    async with asyncio.timeout(2):
        assert await service.closed_with.get() == 4000


@pytest.mark.parametrize(
    ("path", "status"), [("/ws/market", 403), ("/ws/x", 404), ("/orders", 404)]
)
async def test_a_refused_socket_keeps_its_status(
    streaming: tuple[Streaming, int], path: str, status: int
) -> None:
    with pytest.raises(InvalidStatus) as refused:
        await connect(f"ws://127.0.0.1:{streaming[1]}{path}")

    assert refused.value.response.status_code == status


async def test_a_socket_to_a_service_that_is_away_is_refused_with_503(tmp_path: Path) -> None:
    front = free_port()
    settings = WebSettings(streaming_url=f"http://127.0.0.1:{free_port()}", static_dir=tmp_path)

    async with served(build_app(settings), front):
        with pytest.raises(InvalidStatus) as refused:
            await connect(f"ws://127.0.0.1:{front}/ws/orders")

    assert refused.value.response.status_code == 503


async def test_plain_requests_take_the_same_way(streaming: tuple[Streaming, int]) -> None:
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{streaming[1]}") as browser:
        feeds = await browser.get("/feeds")
        away = await browser.get("/auth/me")

    assert (feeds.status_code, feeds.text) == (200, "feeds")
    assert len(feeds.headers.get_list("set-cookie")) == 2
    assert (away.status_code, away.json()["code"]) == (503, "SERVICE_AWAY")
