"""One test per cause: what the order path's client raises, and how often the request arrived."""

import asyncio
import gzip
import socket
import ssl
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from libs.brokers.errors import NotSent, OutcomeUnknown
from libs.brokers.http import BODY_BYTES_MAX, HTTPReply, PyreqwestTransport, SlowREST
from libs.brokers.http import TransportLimits as Limits
from libs.brokers.protocol import BrokerAddresses, Egress
from libs.trading.accounts import Environment
from tests.unit.libs.brokers.misbehaving import (
    OK,
    a_server,
    answering,
    dripping,
    endless,
    finishing,
    hanging,
    resetting,
)

LIMITS = Limits(idle_s=50)
HASTY = Limits(idle_s=50, connect_s=0.4, total_s=1.2, slot_s=0.2)
PAPER = BrokerAddresses(
    environment=Environment.PAPER,
    urls={"api": "http://127.0.0.1:9"},
    egress={
        "second-address": Egress(source_address="127.0.0.2"),
        "dead-proxy": Egress(proxy_url="http://user:canary@127.0.0.1:9"),
    },
)


@pytest.fixture
async def transport() -> AsyncIterator[PyreqwestTransport]:
    transport = PyreqwestTransport(PAPER, {"version": "3"}, LIMITS)
    yield transport
    await transport.aclose()


@pytest.fixture
async def hasty() -> AsyncIterator[PyreqwestTransport]:
    """Wait no longer than a test may."""
    transport = PyreqwestTransport(PAPER, {}, HASTY)
    yield transport
    await transport.aclose()


async def send(
    transport: PyreqwestTransport, url: str, egress: str | None = None, **options: float
) -> HTTPReply:
    return await transport.send(
        "POST", url, headers={"Authorization": "a:b"}, body=b"{}", egress=egress, **options
    )


def test_outcomes_are_measured_for_this_client_version_only() -> None:
    assert version("pyreqwest") == "0.15.1", "measure every cause of this file again"


async def test_an_answer_is_returned_whole(transport: PyreqwestTransport) -> None:
    async with a_server(answering(OK)) as server:
        reply = await send(transport, server.url)

    assert (reply.status, reply.body) == (200, OK.partition(b"\r\n\r\n")[2])
    assert reply.headers.get("content-type") == "application/json"
    assert server.requests == 1


async def test_requests_are_plain_http_1_1_without_compression(
    transport: PyreqwestTransport,
) -> None:
    async with a_server(answering(OK)) as server:
        await send(transport, server.url)

    head = server.heads[0].lower()
    assert head.startswith(b"post /orders/sync http/1.1\r\n")
    assert b"accept-encoding" not in head
    assert b"\r\nuser-agent: lockstep/" in head
    assert b"\r\nversion: 3" in head


async def test_a_connection_is_used_again(transport: PyreqwestTransport) -> None:
    async with a_server(answering(OK)) as server:
        for _ in range(5):
            await send(transport, server.url)

    assert (server.requests, server.connections) == (5, 1)


async def test_warming_opens_connections_ahead(transport: PyreqwestTransport) -> None:
    async with a_server(
        answering(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
    ) as server:
        await transport.warm(server.url, {None: 8})
        warmed = server.connections
        await asyncio.gather(*(send(transport, server.url) for _ in range(warmed)))

    assert 1 <= warmed <= 8
    assert server.connections == warmed


async def test_warming_an_unreachable_broker_raises_nothing(transport: PyreqwestTransport) -> None:
    await transport.warm(f"http://127.0.0.1:{_closed_port()}/", {None: 3, "not configured": 1})


async def test_refused_connection_is_proof_of_not_sent(transport: PyreqwestTransport) -> None:
    with pytest.raises(NotSent, match="refused"):
        await send(transport, f"http://127.0.0.1:{_closed_port()}/")


async def test_unknown_host_is_proof_of_not_sent(transport: PyreqwestTransport) -> None:
    with pytest.raises(NotSent):
        await send(transport, "http://no-such-host.invalid/")


async def test_untrusted_certificate_is_proof_of_not_sent(
    transport: PyreqwestTransport, tmp_path: Path
) -> None:
    async with a_server(answering(OK), ssl=_self_signed(tmp_path)) as server:
        with pytest.raises(NotSent, match=r"(?i)certificate"):
            await send(transport, server.url)

    assert server.requests == 0


async def test_connect_timeout_is_proof_of_not_sent() -> None:
    with socket.socket() as full, socket.socket() as first, socket.socket() as second:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        for queued in (first, second):
            queued.setblocking(False)
            queued.connect_ex(full.getsockname())
        patient = PyreqwestTransport(PAPER, {}, replace(HASTY, total_s=100))
        started = time.monotonic()
        with pytest.raises(NotSent, match=r"timed out|deadline"):
            await send(patient, f"http://127.0.0.1:{full.getsockname()[1]}/")
        await patient.aclose()

    assert time.monotonic() - started < 30


async def test_reset_after_the_request_was_read_is_unknown(transport: PyreqwestTransport) -> None:
    async with a_server(resetting) as server:
        with pytest.raises(OutcomeUnknown):
            await send(transport, server.url)

    assert server.requests == 1


async def test_close_after_the_request_was_read_is_unknown(transport: PyreqwestTransport) -> None:
    async with a_server(finishing) as server:
        with pytest.raises(OutcomeUnknown):
            await send(transport, server.url)

    assert server.requests == 1


async def test_hang_after_the_request_was_read_is_unknown_after_the_total_timeout(
    hasty: PyreqwestTransport,
) -> None:
    async with a_server(hanging) as server:
        started = time.monotonic()
        with pytest.raises(OutcomeUnknown):
            await send(hasty, server.url)

    assert time.monotonic() - started >= HASTY.total_s
    assert server.requests == 1


async def test_redirect_is_not_followed(transport: PyreqwestTransport) -> None:
    async with a_server(answering(_redirect_to("/orders/sync"))) as server:
        reply = await send(transport, server.url)

    assert reply.status == 307
    assert server.requests == 1


async def test_body_over_the_cap_is_unknown(transport: PyreqwestTransport) -> None:
    async with a_server(endless) as server:
        with pytest.raises(OutcomeUnknown, match=str(BODY_BYTES_MAX)):
            await send(transport, server.url)

    assert server.requests == 1


async def test_body_that_drips_is_unknown_after_the_total_timeout(
    hasty: PyreqwestTransport,
) -> None:
    async with a_server(dripping) as server:
        started = time.monotonic()
        with pytest.raises(OutcomeUnknown):
            await send(hasty, server.url)

    assert time.monotonic() - started >= HASTY.total_s
    assert server.requests == 1


async def test_compressed_body_is_never_blown_up(transport: PyreqwestTransport) -> None:
    bomb = gzip.compress(b" " * 50_000_000)
    head = f"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {len(bomb)}\r\n\r\n"

    async with a_server(answering(head.encode() + bomb)) as server:
        reply = await send(transport, server.url)

    assert len(reply.body) == len(bomb)


async def test_request_past_its_instant_is_not_sent(transport: PyreqwestTransport) -> None:
    async with a_server(answering(OK)) as server:
        with pytest.raises(NotSent, match="clock check"):
            await send(transport, server.url, not_after=time.monotonic() - 0.001)
        await send(transport, server.url, not_after=time.monotonic() + 5)

    assert server.requests == 1


async def test_no_free_slot_in_time_is_proof_of_not_sent() -> None:
    narrow = PyreqwestTransport(PAPER, {}, Limits(idle_s=50, slot_s=0.1, in_flight_max=1))
    async with a_server(hanging) as server:
        first = asyncio.create_task(send(narrow, server.url))
        while server.requests == 0:  # noqa: ASYNC110 - the server has no event for it.
            await asyncio.sleep(0.01)
        with pytest.raises(NotSent, match="no free connection"):
            await send(narrow, server.url)
        first.cancel()
        await asyncio.gather(first, return_exceptions=True)
    await narrow.aclose()

    assert server.requests == 1


async def test_connection_idle_for_too_long_is_not_used_again() -> None:
    forgetful = PyreqwestTransport(PAPER, {}, Limits(idle_s=0.1))
    async with a_server(answering(OK)) as server:
        await send(forgetful, server.url)
        await asyncio.sleep(0.3)
        await send(forgetful, server.url)
    await forgetful.aclose()

    assert (server.requests, server.connections) == (2, 2)


async def test_egress_address_is_where_the_order_leaves_from(
    transport: PyreqwestTransport,
) -> None:
    peers: list[str] = []

    async def note_peer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peers.append(writer.get_extra_info("peername")[0])
        writer.write(OK)

    async with a_server(note_peer) as server:
        await send(transport, server.url)
        await send(transport, server.url, egress="second-address")

    assert peers == ["127.0.0.1", "127.0.0.2"]


async def test_unknown_egress_is_never_replaced(transport: PyreqwestTransport) -> None:
    async with a_server(answering(OK)) as server:
        with pytest.raises(NotSent, match="not configured"):
            await send(transport, server.url, egress="gone")

    assert server.connections == 0


async def test_dead_proxy_is_proof_of_not_sent_and_its_password_stays_unsaid(
    transport: PyreqwestTransport,
) -> None:
    async with a_server(answering(OK)) as server:
        with pytest.raises(NotSent) as raised:
            await send(transport, server.url, egress="dead-proxy")

    assert server.connections == 0
    assert "canary" not in f"{raised.value!r} {raised.value.__cause__!r} {PAPER!r}"


async def test_proxies_of_the_environment_are_ignored(
    transport: PyreqwestTransport, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{_closed_port()}")

    async with a_server(answering(OK)) as server:
        fresh = PyreqwestTransport(PAPER, {}, LIMITS)
        assert (await send(fresh, server.url)).status == 200
        await fresh.aclose()
        slow = SlowREST()
        assert (await slow.send("GET", server.url, headers={})).status == 200
        await slow.aclose()


async def test_live_transport_refuses_plain_http_before_sending() -> None:
    live = PyreqwestTransport(
        BrokerAddresses(environment=Environment.LIVE, urls={"api": "https://api.example.com"}),
        {},
        LIMITS,
    )
    async with a_server(answering(OK)) as server:
        with pytest.raises(OutcomeUnknown):
            await send(live, server.url)
    await live.aclose()

    assert server.connections == 0


async def test_slow_rest_tells_not_sent_from_unknown(tmp_path: Path) -> None:
    rest = SlowREST(connect_s=0.4, total_s=1)

    with pytest.raises(NotSent):
        await rest.send("POST", f"http://127.0.0.1:{_closed_port()}/", headers={})
    for behaviour in (resetting, finishing, hanging, dripping, endless):
        async with a_server(behaviour) as server:
            with pytest.raises(OutcomeUnknown):
                await rest.send("POST", server.url, headers={}, body=b"{}")
            assert server.requests == 1
    async with a_server(answering(OK), ssl=_self_signed(tmp_path)) as server:
        with pytest.raises(NotSent):
            await rest.send("POST", server.url, headers={})
    async with a_server(answering(_redirect_to("/orders/sync"))) as server:
        assert (await rest.send("POST", server.url, headers={})).status == 307
        assert server.requests == 1
    await rest.aclose()


def _redirect_to(path: str) -> bytes:
    return (
        f"HTTP/1.1 307 Temporary Redirect\r\nLocation: {path}\r\nContent-Length: 0\r\n\r\n"
    ).encode()


def _closed_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _self_signed(folder: Path) -> ssl.SSLContext:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    file = folder / "server.pem"
    file.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    return context
