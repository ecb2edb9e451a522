import asyncio
import time

import pytest

from libs.runtime.redis import CACHE_AWAY, cache_ready, open_redis
from tests.servers import Servers


async def test_the_cache_keeps_bytes(servers: Servers) -> None:
    cache = open_redis(servers.redis_url)
    await cache.set("runtime-test", b"\xff\x00", ex=5)

    assert await cache.get("runtime-test") == b"\xff\x00"
    assert await cache_ready(cache)
    await cache.aclose()


async def test_a_cache_that_is_away_is_known_at_once() -> None:
    cache = open_redis("redis://127.0.0.1:1/0")  # Opening never waits.
    started = time.monotonic()

    with pytest.raises(CACHE_AWAY):
        await cache.get("x")
    assert not await cache_ready(cache)

    assert time.monotonic() - started < 10
    await cache.aclose()


async def test_a_cache_that_hangs_costs_a_bounded_time() -> None:
    async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    server = await asyncio.start_server(hang, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    cache = open_redis(f"redis://127.0.0.1:{port}/0")
    started = time.monotonic()

    assert not await cache_ready(cache)

    assert time.monotonic() - started < 10
    await cache.aclose()
    server.close()
