"""How requests leave for a broker: the `OrderTransport` port on pyreqwest, httpx for slow REST.

Nothing here retries, follows a redirect or decompresses. This file alone decides what counts as
proof that nothing was sent; the client's own error classes prove nothing (measured, 0.15.1).
"""

import asyncio
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cache
from typing import Protocol

import httpx
from pyreqwest.client import Client, ClientBuilder
from pyreqwest.exceptions import PoolTimeoutError, PyreqwestError
from pyreqwest.proxy import ProxyBuilder
from pyreqwest.response import Response

from libs.brokers.errors import AnswerUnreadable, BrokerError, NotSent, NoWayOut, OutcomeUnknown
from libs.brokers.protocol import BrokerAddresses, Egress
from libs.trading.accounts import Environment

# Brokers' edges refuse the default names of HTTP libraries.
USER_AGENT = "Lockstep/0.1"
BODY_BYTES_MAX = 1024 * 1024
WARM_CONNECTIONS_MAX = 64
_NEVER_CONNECTED = "client error (Connect)"


@dataclass(frozen=True, slots=True, kw_only=True)
class HTTPReply:
    """What a server answered, whole. `headers` is looked up in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)


class OrderTransport(Protocol):
    """Carries one request, once."""

    async def send(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str],
        body: bytes | None = None,
        egress: str | None = None,
        not_after: float | None = None,
    ) -> HTTPReply:
        """Return any answer, of whatever status.

        Raise `NotSent` with proof that no byte of the request left this machine, and
        `OutcomeUnknown` for everything else. `headers` must be clean (`clean_header`).
        """

    async def warm(self, url: str, wanted: Mapping[str | None, int]) -> None:
        """Open that many connections per egress profile, within bounds. Never raises."""

    async def aclose(self) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class TransportLimits:
    """The connection settings of the order path. Seconds, and requests in flight per egress."""

    idle_s: float
    connect_s: float = 2
    total_s: float = 10
    slot_s: float = 0.5
    in_flight_max: int = 1024


class PyreqwestTransport:
    """One warmed client per egress profile; None is the machine's own address."""

    def __init__(
        self, addresses: BrokerAddresses, headers: Mapping[str, str], limits: TransportLimits
    ) -> None:
        self._headers = dict(headers)
        self._limits = limits
        self._https_only = addresses.environment is Environment.LIVE
        self._egress = addresses.egress
        self._clients: dict[str | None, Client] = {}

    async def send(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str],
        body: bytes | None = None,
        egress: str | None = None,
        not_after: float | None = None,
    ) -> HTTPReply:
        request = self._client(egress).request(method, url).headers(headers)
        if body is not None:
            request = request.body_bytes(body)
        try:
            # The last moment this process can still stop: it may have been frozen since its commit.
            if not_after is not None and time.monotonic() > not_after:
                raise NotSent("the clock check: too long since the order was committed")
            async with request.build_streamed() as response:
                return HTTPReply(
                    status=response.status, headers=response.headers, body=await _read(response)
                )
        except PyreqwestError as error:
            raise _translated(error) from error

    async def warm(self, url: str, wanted: Mapping[str | None, int]) -> None:
        await asyncio.gather(
            *(
                self._touch(url, egress)
                for egress, connections in wanted.items()
                for _ in range(min(connections, WARM_CONNECTIONS_MAX))
            )
        )

    async def aclose(self) -> None:
        clients, self._clients = list(self._clients.values()), {}
        for client in clients:
            await client.close()

    async def _touch(self, url: str, egress: str | None) -> None:
        try:
            await self.send("HEAD", url, headers={}, egress=egress)
        except BrokerError:
            return  # An unreachable broker shows when an order is sent.

    def _client(self, egress: str | None) -> Client:
        client = self._clients.get(egress)
        if client is None:
            client = self._clients[egress] = self._open(egress)
        return client

    def _open(self, egress: str | None) -> Client:
        limits = self._limits
        builder = (
            ClientBuilder()
            .default_headers(self._headers)
            .user_agent(USER_AGENT)
            .http1_only()
            # One thread would stand still with every answer that waits for Python's attention.
            .runtime_multithreaded(True)
            .https_only(self._https_only)
            .follow_redirects(False)
            .referer(False)
            .gzip(False)
            .brotli(False)
            .zstd(False)
            .deflate(False)
            .no_proxy()
            .connect_timeout(timedelta(seconds=limits.connect_s))
            .timeout(timedelta(seconds=limits.total_s))
            .pool_idle_timeout(timedelta(seconds=limits.idle_s))
            .max_connections(limits.in_flight_max)
            .pool_timeout(timedelta(seconds=limits.slot_s))
        )
        return _leaving_by(builder, egress, self._egress).build()


def _leaving_by(
    builder: ClientBuilder, name: str | None, profiles: Mapping[str, Egress]
) -> ClientBuilder:
    if name is None:
        return builder
    profile = profiles.get(name)
    if profile is None:
        raise NoWayOut(f"egress profile {name!r} is not configured in this process")
    if profile.proxy_url is not None:
        return builder.proxy(ProxyBuilder.all(profile.proxy_url))
    return builder.local_address(profile.source_address)


async def _read(response: Response) -> bytes:
    """Read a body. One that says its length is whole without asking for what comes after it."""
    body = bytearray()
    length = response.headers.get("content-length")
    reader = response.body_reader
    while str(len(body)) != length and (chunk := await reader.read_chunk()) is not None:
        if len(body) + len(chunk) > BODY_BYTES_MAX:
            raise AnswerUnreadable(f"HTTP {response.status}: the answer is over {BODY_BYTES_MAX} B")
        body += chunk
    return bytes(body)


def _translated(error: PyreqwestError) -> BrokerError:
    details = getattr(error, "details", None) or {}
    causes = [cause["message"] for cause in details.get("causes") or []]
    last = causes[-1] if causes else error.message
    if isinstance(error, PoolTimeoutError):
        return NotSent("no free connection in time")
    if any(_NEVER_CONNECTED in cause for cause in causes):
        return NotSent(f"no connection: {last}")
    return OutcomeUnknown(f"no answer: {last}")


def clean_header(text: str) -> bool:
    """Tell whether a value may stand in a header. A client's refusal would print the value."""
    return text.isascii() and text.isprintable()


@cache
def trusted_tls() -> ssl.SSLContext:
    """Build the one context that verifies servers; reading the authorities takes 30 ms."""
    return httpx.create_ssl_context(trust_env=False)


class SlowREST:
    """Logins and slow reads on httpx: the same answers and errors, apart from the order path."""

    def __init__(self, *, connect_s: float = 2, total_s: float = 10) -> None:
        self._total_s = total_s
        self._client = httpx.AsyncClient(
            verify=trusted_tls(),
            headers={"User-Agent": USER_AGENT, "Accept-Encoding": "identity"},
            timeout=httpx.Timeout(total_s, connect=connect_s),
            limits=httpx.Limits(max_connections=50, keepalive_expiry=30),
            follow_redirects=False,
            trust_env=False,
        )

    async def send(
        self, method: str, url: str, *, headers: Mapping[str, str], body: bytes | None = None
    ) -> HTTPReply:
        """Return any answer. Raise `NotSent` without a connection, else `OutcomeUnknown`."""
        try:
            async with (
                asyncio.timeout(self._total_s),
                self._client.stream(method, url, headers=headers, content=body) as response,
            ):
                return HTTPReply(
                    status=response.status_code,
                    headers=response.headers,
                    body=await _read_slowly(response),
                )
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
            raise NotSent(f"no connection: {type(error).__name__}") from error
        except (httpx.HTTPError, TimeoutError) as error:
            raise OutcomeUnknown(f"no answer: {type(error).__name__}") from error

    async def aclose(self) -> None:
        await self._client.aclose()


async def _read_slowly(response: httpx.Response) -> bytes:
    body = bytearray()
    async for chunk in response.aiter_raw():
        if len(body) + len(chunk) > BODY_BYTES_MAX:
            raise AnswerUnreadable(f"HTTP {response.status_code}: over {BODY_BYTES_MAX} B")
        body += chunk
    return bytes(body)
