"""The order socket of one FYERS account, as order reports (API v3 reference, order websocket)."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidStatus, WebSocketException

from libs.brokers.errors import OutcomeUnknown, SessionExpired
from libs.brokers.fyers import wire
from libs.brokers.fyers.instruments import load_instruments
from libs.brokers.http import BODY_BYTES_MAX, USER_AGENT, trusted_tls
from libs.brokers.protocol import BrokerAddresses, BrokerSession, FeedOpened
from libs.trading.accounts import Environment
from libs.trading.orders import OrderReport

_PORTS = {"ws": 80, "wss": 443}
_REFUSED = frozenset({401, 403})

# The library writes handshake headers, the token among them, at DEBUG: never let it.
_log = logging.getLogger(__name__)
_log.setLevel(logging.INFO)


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedLimits:
    """Seconds. The broker wants a ping every ten and answers each one."""

    open_s: float = 10
    ping_s: float = 10
    silence_s: float = 25
    close_s: float = 1


class FyersFeed:
    """The feed door of every FYERS account in this process."""

    def __init__(self, addresses: BrokerAddresses, *, limits: FeedLimits | None = None) -> None:
        self._addresses = addresses
        self._url = addresses.urls["order_feed"]
        self._limits = limits or FeedLimits()
        self._instruments = load_instruments(addresses)
        self._lines: set[ClientConnection] = set()
        live = addresses.environment is Environment.LIVE
        self._tls = trusted_tls() if live else None

    async def updates(self, session: BrokerSession) -> AsyncIterator[OrderReport | FeedOpened]:
        self._addresses.admit(session)
        try:
            connection = await self._connect(session)
            self._lines.add(connection)
            try:
                line = _Line(connection, self._limits)
                message = await line.subscribe()
                yield FeedOpened()
                while True:
                    report = wire.order_of(message, self._instruments.name_of)
                    if report is not None:
                        yield report
                    message = await line.receive()
            finally:
                self._lines.discard(connection)
                await connection.close()
        except InvalidStatus as error:
            status = error.response.status_code
            if status in _REFUSED:
                raise SessionExpired(
                    f"the order feed refused the session, HTTP {status}"
                ) from error
            raise OutcomeUnknown(f"the order feed answered HTTP {status}") from error
        except (OSError, TimeoutError, WebSocketException) as error:
            raise OutcomeUnknown(f"the order feed broke: {type(error).__name__}") from error

    async def aclose(self) -> None:
        await asyncio.gather(*(line.close() for line in list(self._lines)))

    async def _connect(self, session: BrokerSession) -> ClientConnection:
        target = urlsplit(self._url)
        try:
            return await connect(
                self._url,
                additional_headers=wire.authorization_of(session),
                user_agent_header=USER_AGENT,
                compression=None,
                proxy=None,
                open_timeout=self._limits.open_s,
                close_timeout=self._limits.close_s,
                ping_interval=None,
                max_size=BODY_BYTES_MAX,
                logger=_log,
                ssl=self._tls,
                # Named, so that a redirect to another host is refused.
                host=target.hostname,
                port=target.port or _PORTS[target.scheme],
            )
        except ValueError as error:
            raise OutcomeUnknown("the order feed sent us elsewhere") from error


class _Line:
    """One connection: pings on time, silence noticed."""

    def __init__(self, connection: ClientConnection, limits: FeedLimits) -> None:
        self._connection = connection
        self._limits = limits
        self._heard_at = time.monotonic()
        self._ping_at = self._heard_at

    async def subscribe(self) -> Mapping[str, Any]:
        """Subscribe and wait for the proof. Return the message that was it."""
        async with asyncio.timeout(self._limits.open_s):
            await self._ping_when_due()
            await self._connection.send(wire.SUBSCRIBE)
            while not wire.opens_feed(message := await self.receive()):
                pass
            return message

    async def receive(self) -> Mapping[str, Any]:
        """Wait for the next message that is no pong."""
        while True:
            await self._ping_when_due()
            text = await self._next_text()
            if text is not None and text != wire.PONG:
                return wire.read_message(text)

    async def _next_text(self) -> str | bytes | None:
        """Wait for a frame, at most until the next ping is due."""
        wait_s = max(0.0, self._ping_at - time.monotonic())
        try:
            async with asyncio.timeout(wait_s):
                text = await self._connection.recv()
        except TimeoutError:
            return None
        self._heard_at = time.monotonic()
        return text

    async def _ping_when_due(self) -> None:
        now = time.monotonic()
        silent_s = now - self._heard_at
        if silent_s > self._limits.silence_s:
            raise OutcomeUnknown(f"the order feed was silent for {silent_s:.0f} s")
        if now >= self._ping_at:
            self._ping_at = now + self._limits.ping_s
            async with asyncio.timeout(self._limits.silence_s):
                await self._connection.send(wire.PING)
