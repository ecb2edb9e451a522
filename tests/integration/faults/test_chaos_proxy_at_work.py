"""The chaos proxy as a process that another steers, and before real servers."""

import asyncio
import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import pytest
import redis.asyncio

from tests.faults.chaos_proxy import ChaosProxy, RemoteProxy
from tests.integration.faults.lines import EchoServer, echoed, is_silent
from tests.servers import Servers

ROOT = Path(__file__).parents[3]


@contextmanager
def a_process(upstream_port: int) -> Iterator[tuple[subprocess.Popen[str], dict[str, int]]]:
    command = [sys.executable, "-m", "tests.faults.chaos_proxy", "--upstream"]
    process = subprocess.Popen(  # noqa: S603 - our own program.
        [*command, f"127.0.0.1:{upstream_port}"], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    try:
        yield process, json.loads(process.stdout.readline())
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


async def test_another_process_steers_it_over_its_control_port() -> None:
    listening = await asyncio.start_server(EchoServer(), "127.0.0.1", 0)
    async with listening:
        with a_process(listening.sockets[0].getsockname()[1]) as (process, ports):
            remote = RemoteProxy(ports["control_port"])
            reader, writer = await asyncio.open_connection("127.0.0.1", ports["port"])
            assert await echoed((reader, writer)) == b"hello"
            added = remote.ask("add", kind="blackhole", name="hole")
            writer.write(b"hello")
            assert await is_silent((reader, writer))
            state = remote.ask("state")
            assert added["name"] == "hole"
            assert ([it["kind"] for it in state["toxics"]], state["connections"]) == (
                ["blackhole"],
                1,
            )
            remote.ask("remove", name="hole")
            assert await asyncio.wait_for(reader.readexactly(5), 10) == b"hello"
            assert remote.ask("cut", reset=False) == {"cut": 1}
            assert await asyncio.wait_for(reader.read(-1), 10) == b""
            for wrong in ({"do": "dance"}, {"do": "remove", "name": "hole"}, {"do": "add"}):
                with pytest.raises(ValueError, match=r"do:|name:|kind"):
                    remote.ask(**wrong)
            writer.close()
            process.send_signal(signal.SIGTERM)
            assert process.wait(10) == 0


async def test_postgres_and_redis_pass_through_and_notice_a_cut(servers: Servers) -> None:
    async with (
        ChaosProxy(_address_of(servers.postgres_dsn)) as to_postgres,
        ChaosProxy(_address_of(servers.redis_url)) as to_redis,
    ):
        database = await asyncpg.connect(
            servers.postgres_dsn, host="127.0.0.1", port=to_postgres.port
        )
        try:
            assert await database.fetchval("SELECT 41 + 1") == 42
            to_postgres.cut()
            with pytest.raises((asyncpg.PostgresConnectionError, asyncpg.InterfaceError, OSError)):
                await database.fetchval("SELECT 1")
        finally:
            database.terminate()
        host, port = _address_of(servers.redis_url)
        url = servers.redis_url.replace(f"{host}:{port}", f"127.0.0.1:{to_redis.port}")
        async with redis.asyncio.from_url(url) as client:
            await to_redis.add("slicer", average_bytes=3, variation_bytes=2)
            assert await client.ping()


def _address_of(url: str) -> tuple[str, int]:
    parts = urlsplit(url)
    assert parts.hostname
    assert parts.port
    return parts.hostname, parts.port
