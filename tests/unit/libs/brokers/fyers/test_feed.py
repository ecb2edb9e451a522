"""The order feed against small websocket servers that each do one thing."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from http import HTTPStatus

import pytest
from websockets.asyncio.server import ServerConnection, serve
from websockets.http11 import Request, Response

from libs.brokers.errors import BrokerError, OutcomeUnknown, SessionExpired
from libs.brokers.fyers.feed import FeedLimits, FyersFeed
from libs.brokers.fyers.manifest import MANIFEST
from libs.brokers.protocol import BrokerSession, FeedOpened
from libs.trading.accounts import Environment
from libs.trading.orders import OrderReport, OrderStatus
from tests.factories import NOON
from tests.unit.libs.brokers.fyers.payloads import FOLDER

ACK = '{"code":1605,"message":"Successfully subscribed","s":"ok"}'
ORDER = (FOLDER / "socket_order_new_ack.json").read_text()
SESSION = BrokerSession(
    account_id="account-1",
    client_id="XB00001",
    environment=Environment.PAPER,
    expires_at=NOON,
    secrets={"app_id": "AB12CD34EF-100", "access_token": "canary.jwt"},
)
QUICK = FeedLimits(open_s=1, ping_s=0.05, silence_s=0.5, close_s=0.1)


@dataclass
class SocketServer:
    port: int = 0
    connections: int = 0
    frames: list[str | bytes] = field(default_factory=list)
    authorization: str | None = None


Behaviour = Callable[[ServerConnection, SocketServer], Awaitable[None]]


@asynccontextmanager
async def a_socket_server(
    behave: Behaviour, refuse: HTTPStatus | None = None, sent_to: SocketServer | None = None
) -> AsyncIterator[SocketServer]:
    seen = SocketServer()

    def process_request(connection: ServerConnection, request: Request) -> Response | None:
        seen.connections += 1
        seen.authorization = request.headers.get("authorization")
        if refuse is None:
            return None
        response = connection.respond(refuse, "no")
        if sent_to is not None:
            response.headers["Location"] = f"ws://127.0.0.1:{sent_to.port}/trade/v3"
        return response

    async def handler(connection: ServerConnection) -> None:
        await behave(connection, seen)

    async with serve(handler, "127.0.0.1", 0, process_request=process_request) as server:
        seen.port = next(iter(server.sockets)).getsockname()[1]
        yield seen


async def confirming(connection: ServerConnection, seen: SocketServer, *messages: str) -> None:
    """Answer pings, confirm the subscription, send these messages, then wait."""
    async for frame in connection:
        seen.frames.append(frame)
        if frame == "ping":
            await connection.send("pong")
            continue
        await connection.send(ACK)
        for message in messages:
            await connection.send(message)


async def silent(connection: ServerConnection, seen: SocketServer) -> None:
    await confirming_once(connection, seen)
    await connection.wait_closed()


async def confirming_once(connection: ServerConnection, seen: SocketServer) -> None:
    while True:
        frame = await connection.recv()
        seen.frames.append(frame)
        if frame != "ping":
            await connection.send(ACK)
            return


async def mute(connection: ServerConnection, _: SocketServer) -> None:
    async for frame in connection:
        if frame == "ping":
            await connection.send("pong")


async def one_order(connection: ServerConnection, seen: SocketServer) -> None:
    await confirming(connection, seen, '{"trades":{"id":"1"},"s":"ok"}', ORDER)


async def garbage(connection: ServerConnection, seen: SocketServer) -> None:
    await confirming(connection, seen, "<html>")


async def hanging_up(connection: ServerConnection, seen: SocketServer) -> None:
    await confirming_once(connection, seen)
    connection.transport.abort()


def feed_at(server: SocketServer) -> FyersFeed:
    addresses = MANIFEST.addresses(Environment.PAPER, f"http://127.0.0.1:{server.port}")
    return FyersFeed(addresses, limits=QUICK)


async def collect(
    server: SocketServer, at_most: int
) -> tuple[list[OrderReport | FeedOpened], BrokerError | None]:
    seen: list[OrderReport | FeedOpened] = []
    feed = feed_at(server)
    try:
        async with aclosing(feed.updates(SESSION)) as updates:  # type: ignore[type-var]  # A generator.
            async for update in updates:
                seen.append(update)
                if len(seen) == at_most:
                    break
    except BrokerError as error:
        return seen, error
    finally:
        await feed.aclose()
    return seen, None


async def test_feed_opens_with_a_ping_and_one_subscription_and_reports_orders() -> None:
    async with a_socket_server(one_order) as server:
        (opened, report), _ = await collect(server, 2)

    assert isinstance(opened, FeedOpened)
    assert isinstance(report, OrderReport)
    assert (report.status, report.broker_order_id) == (OrderStatus.ACKED, "23121800292158")
    assert server.authorization == "AB12CD34EF-100:canary.jwt"
    assert server.frames[:2] == ["ping", '{"T":"SUB_ORD","SLIST":["orders"],"SUB_T":1}']


async def test_line_is_pinged_on_time_and_stays_open_while_answered() -> None:
    async with a_socket_server(confirming) as server:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(QUICK.silence_s * 2):
                await collect(server, 2)

    assert server.frames.count("ping") >= 5
    assert server.connections == 1


@pytest.mark.parametrize(
    ("behave", "words"),
    [(silent, "silent for"), (garbage, "not JSON"), (hanging_up, "broke")],
)
async def test_broken_line_is_told_once_and_not_reconnected(behave: Behaviour, words: str) -> None:
    async with a_socket_server(behave) as server:
        seen, error = await collect(server, 9)

    assert seen == [FeedOpened()]
    assert isinstance(error, OutcomeUnknown)
    assert words in str(error)
    assert server.connections == 1


async def test_feed_without_a_confirmation_never_opens() -> None:
    async with a_socket_server(mute) as server:
        seen, error = await collect(server, 9)

    assert seen == []
    assert isinstance(error, OutcomeUnknown)


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (HTTPStatus.FORBIDDEN, SessionExpired),
        (HTTPStatus.UNAUTHORIZED, SessionExpired),
        (HTTPStatus.NOT_FOUND, OutcomeUnknown),
        (HTTPStatus.BAD_GATEWAY, OutcomeUnknown),
    ],
)
async def test_refused_handshake_is_told_and_tried_once(
    status: HTTPStatus, expected: type[BrokerError]
) -> None:
    async with a_socket_server(confirming, refuse=status) as server:
        seen, error = await collect(server, 9)

    assert (seen, type(error)) == ([], expected)
    assert server.connections == 1


async def test_feed_is_never_led_to_another_server() -> None:
    async with (
        a_socket_server(one_order) as stranger,
        a_socket_server(one_order, HTTPStatus.TEMPORARY_REDIRECT, stranger) as server,
    ):
        seen, error = await collect(server, 9)

    assert (seen, type(error)) == ([], OutcomeUnknown)
    assert stranger.connections == 0


async def test_proxies_of_the_environment_are_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "ws_proxy", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")

    async with a_socket_server(one_order) as server:
        seen, error = await collect(server, 2)

    assert (len(seen), error) == (2, None)


async def test_unreachable_feed_is_told() -> None:
    async with a_socket_server(confirming) as server:
        pass
    _, error = await collect(server, 9)

    assert isinstance(error, OutcomeUnknown)


async def test_closing_the_door_ends_its_lines() -> None:
    async with a_socket_server(confirming) as server:
        feed = feed_at(server)
        updates = feed.updates(SESSION)
        assert await anext(updates) == FeedOpened()
        await feed.aclose()
        with pytest.raises(OutcomeUnknown):
            await anext(updates)


async def test_token_is_in_no_log_line_at_any_level(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)

    async with a_socket_server(one_order) as server:
        await collect(server, 2)
    async with a_socket_server(confirming, refuse=HTTPStatus.FORBIDDEN) as server:
        _, error = await collect(server, 2)

    ours = [record for record in caplog.records if not record.name.startswith("websockets.server")]
    assert "canary" not in " ".join(record.getMessage() for record in ours)
    assert "canary" not in f"{error!r} {error.__cause__!r}" if error else False
