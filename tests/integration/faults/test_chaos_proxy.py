"""The chaos proxy, toxic by toxic, against servers that only echo, listen or talk without end.

Times are lower bounds: a loaded machine may be late, never early. One has an upper
bound, a wide one.
"""

import asyncio
import random
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.faults.chaos_proxy import ChaosProxy
from tests.faults.toxics import Toxics
from tests.integration.faults.lines import (
    EchoServer,
    TalkingServer,
    a_line,
    behind_proxy,
    echoed,
    is_silent,
    some_bytes,
)

MIB = 1024 * 1024


@pytest.fixture
def echo() -> EchoServer:
    return EchoServer()


@pytest.fixture
async def proxy(echo: EchoServer) -> AsyncIterator[ChaosProxy]:
    async with behind_proxy(echo) as proxy:
        yield proxy


async def test_bytes_pass_whole_and_the_end_of_one_half_reaches_the_other(
    proxy: ChaosProxy,
) -> None:
    data = some_bytes(5 * MIB)
    async with a_line(proxy) as (reader, writer):

        async def speak() -> None:
            writer.write(data)
            await writer.drain()
            writer.write_eof()

        heard, _ = await asyncio.gather(reader.read(-1), speak())

    assert heard == data
    assert proxy.forwarded == {"upstream": len(data), "downstream": len(data)}


async def test_latency_delays_and_lets_go_at_once_when_it_is_taken_away(proxy: ChaosProxy) -> None:
    async with a_line(proxy) as line:
        began_s = time.monotonic()
        await proxy.add("latency", stream="downstream", latency_ms=150)
        assert await echoed(line) == b"hello"
        assert time.monotonic() - began_s >= 0.15

        await proxy.add("latency", latency_ms=600_000)
        waiting = asyncio.create_task(echoed(line))
        await asyncio.sleep(0.1)
        assert not waiting.done()
        await proxy.remove("latency")
        assert await waiting == b"hello"


async def test_latency_holds_each_byte_back_once_however_much_there_is(proxy: ChaosProxy) -> None:
    data = some_bytes(10 * 65536)
    async with a_line(proxy) as line:
        await proxy.add("latency", stream="upstream", latency_ms=800)
        began_s = time.monotonic()
        assert await echoed(line, data) == data

    # Chunk after chunk it would be ten times as much.
    assert 0.8 <= time.monotonic() - began_s < 5


async def test_jitter_is_the_same_in_every_run_of_a_seed(proxy: ChaosProxy) -> None:
    shares = random.Random(7)  # noqa: S311 - the proxy's own.
    async with a_line(proxy) as line:
        await proxy.add("jitter", stream="both", jitter_ms=50)
        began_s = time.monotonic()
        for _ in range(5):
            assert await echoed(line) == b"hello"

    assert time.monotonic() - began_s >= sum(shares.random() * 0.05 for _ in range(10))


async def test_bandwidth_is_not_exceeded(proxy: ChaosProxy) -> None:
    async with a_line(proxy) as line:
        await proxy.add("bandwidth", stream="upstream", rate_kib_s=64)
        began_s = time.monotonic()
        assert len(await echoed(line, b"x" * 32 * 1024)) == 32 * 1024

    # The last slice has left when its own pause begins.
    assert time.monotonic() - began_s >= 0.5 - 0.1


async def test_slow_close_keeps_the_end_back(proxy: ChaosProxy) -> None:
    async with a_line(proxy) as (reader, writer):
        await echoed((reader, writer))
        await proxy.add("slow_close", stream="downstream", delay_ms=200)
        began_s = time.monotonic()
        writer.write_eof()
        assert await reader.read(-1) == b""

    assert time.monotonic() - began_s >= 0.2


async def test_timeout_of_zero_stands_still_until_it_is_taken_away(proxy: ChaosProxy) -> None:
    async with a_line(proxy) as (reader, writer):
        await echoed((reader, writer))
        await proxy.add("timeout")
        writer.write(b"hello")
        assert await is_silent((reader, writer))

        await proxy.clear()

        assert await asyncio.wait_for(reader.readexactly(5), 10) == b"hello"


async def test_timeout_ends_a_line_that_stands_without_a_byte(proxy: ChaosProxy) -> None:
    async with a_line(proxy) as (reader, writer):
        await echoed((reader, writer))
        await proxy.add("timeout", timeout_ms=100)
        began_s = time.monotonic()
        writer.write(b"hello")
        assert await asyncio.wait_for(reader.read(-1), 10) == b""

    assert time.monotonic() - began_s >= 0.1


async def test_reset_peer_resets_a_line_that_stands(proxy: ChaosProxy) -> None:
    async with a_line(proxy) as (reader, writer):
        await echoed((reader, writer))
        await proxy.add("reset_peer", timeout_ms=50)
        with pytest.raises(ConnectionResetError):
            await asyncio.wait_for(reader.read(-1), 10)


async def test_slicer_cuts_small_and_loses_nothing(proxy: ChaosProxy) -> None:
    data = some_bytes(2000)
    reads: list[bytes] = []
    await proxy.add(
        "slicer", stream="downstream", average_bytes=100, variation_bytes=50, delay_us=2000
    )
    async with a_line(proxy) as (reader, writer):
        writer.write(data)
        while sum(map(len, reads)) < len(data):
            reads.append(await asyncio.wait_for(reader.read(65536), 10))

    assert b"".join(reads) == data
    assert len(reads) > 2


async def test_limit_data_ends_the_line_after_exactly_so_many_bytes(proxy: ChaosProxy) -> None:
    await proxy.add("limit_data", stream="downstream", bytes=1234)
    async with a_line(proxy) as (reader, writer):
        writer.write(b"x" * 5000)
        heard = await asyncio.wait_for(reader.read(-1), 10)

    assert len(heard) == 1234


async def test_blackhole_takes_lines_and_forwards_nothing_until_it_heals(
    proxy: ChaosProxy, echo: EchoServer
) -> None:
    async with a_line(proxy) as old:
        await echoed(old)
        await proxy.add("blackhole")
        async with a_line(proxy) as new:
            for _, writer in (old, new):
                writer.write(b"hello")
            assert await is_silent(old)
            assert await is_silent(new)
            assert echo.connections == 1

            await proxy.remove("blackhole")

            for reader, _ in (old, new):
                assert await asyncio.wait_for(reader.readexactly(5), 10) == b"hello"


async def test_blackhole_in_one_direction_lets_the_other_pass(proxy: ChaosProxy) -> None:
    async with a_line(proxy) as line:
        await echoed(line)
        await proxy.add("blackhole", stream="downstream")
        line[1].write(b"hello")
        assert await is_silent(line)

    assert proxy.forwarded == {"upstream": 10, "downstream": 5}


async def test_down_refuses_new_lines_keeps_old_ones_and_comes_back_on_its_port(
    proxy: ChaosProxy,
) -> None:
    port = proxy.port
    async with a_line(proxy) as old:
        await echoed(old)
        for _ in range(3):
            await proxy.add("down")
            with pytest.raises(ConnectionRefusedError):
                await asyncio.open_connection("127.0.0.1", port)
            assert await echoed(old) == b"hello"
            await proxy.remove("down")
            async with a_line(proxy) as new:
                assert await echoed(new) == b"hello"


@pytest.mark.parametrize("reset", [True, False])
async def test_cut_ends_lines_that_stand_and_spares_the_next(
    proxy: ChaosProxy, *, reset: bool
) -> None:
    async with a_line(proxy) as (reader, writer):
        await echoed((reader, writer))

        assert proxy.cut(reset=reset) == 1

        if reset:
            with pytest.raises(ConnectionResetError):
                await asyncio.wait_for(reader.read(-1), 10)
        else:
            assert await asyncio.wait_for(reader.read(-1), 10) == b""
    async with a_line(proxy) as line:
        assert await echoed(line) == b"hello"
        assert proxy.connections == 1


async def test_upstream_that_is_not_there_resets_the_caller() -> None:
    listening = await asyncio.start_server(EchoServer(), "127.0.0.1", 0)
    address = listening.sockets[0].getsockname()
    listening.close()
    async with ChaosProxy(address) as proxy, a_line(proxy) as (reader, _):
        with pytest.raises(ConnectionResetError):
            await asyncio.wait_for(reader.read(-1), 10)


@pytest.mark.parametrize("toxic", ["nothing", "blackhole", "latency"])
async def test_proxy_holds_little_of_what_nobody_reads(toxic: str) -> None:
    server = TalkingServer()
    async with behind_proxy(server) as proxy, a_line(proxy) as (reader, writer):
        await reader.readexactly(1)
        if toxic != "nothing":
            more = {"latency_ms": 600_000} if toxic == "latency" else {}
            await proxy.add(toxic, **more)
        writer.transport.pause_reading()  # type: ignore[attr-defined]  # A socket's transport.
        before = -1
        while before != server.written < 48 * MIB:
            before = server.written
            await asyncio.sleep(0.2)

    # Four socket buffers and the proxy's 1 MiB; without a bound it would be the whole memory.
    assert server.written < 48 * MIB


async def test_everything_ends_with_the_proxy(echo: EchoServer) -> None:
    async with behind_proxy(echo) as proxy:
        reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
        await echoed((reader, writer))

    with pytest.raises(ConnectionResetError):
        await asyncio.wait_for(reader.read(-1), 10)
    assert proxy.connections == 0
    writer.close()


@pytest.mark.parametrize(
    ("kind", "attributes", "words"),
    [
        ("rain", {}, "kind: 'rain' is none of latency"),
        ("latency", {"stream": "sideways"}, "stream: 'sideways' is none of upstream"),
        ("latency", {"latency_ms": -1}, "latency_ms: -1 is below 0"),
        ("latency", {"latency": 5}, "latency_ms"),
        ("bandwidth", {"rate_kib_s": 0}, "rate_kib_s must be above 0"),
        ("slicer", {"average_bytes": 5, "variation_bytes": 5}, "average_bytes above"),
    ],
)
async def test_impossible_toxic_is_refused_with_the_field(
    kind: str, attributes: dict[str, Any], words: str
) -> None:
    toxics = Toxics(7)

    with pytest.raises(ValueError, match=words):
        toxics.add(kind, attributes)

    assert list(toxics) == []
