"""The process is killed again and again while a master retries: nothing lost, nothing twice."""

import asyncio
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager
from pathlib import Path

import httpx
import psycopg
from uuid_utils import uuid7

from tests.integration.signal.people import auth_that_knows
from tests.integration.signal.running import PLACE, SERVICE_TOKEN, TAG_KEY, listening
from tests.integration.signal.test_publication import empty_outbox
from tests.servers import Database, Servers

_ROOT = Path(__file__).resolve().parents[3]
KILLS = 4
LANES = 5


class KilledAndRestarted:
    """`python -m services.signal`, as it is deployed."""

    def __init__(self, servers: Servers, database: Database, auth_url: str) -> None:
        self.port = _free_port()
        self._environment = {
            **os.environ,
            "KAFKA_BOOTSTRAP_SERVERS": servers.kafka_bootstrap_servers,
            "POSTGRES_DSN": database.dsn("signal"),
            "REDIS_URL": servers.redis_url,
            "AUTH_URL": auth_url,
            "INTERNAL_SERVICE_TOKEN": SERVICE_TOKEN,
            "ORDER_TAG_KEY": TAG_KEY,
            "LOCKSTEP_ENV": "local",
            "LOG_LEVEL": "WARNING",
            "SIGNAL_PORT": str(self.port),
        }
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "services.signal"], cwd=_ROOT, env=self._environment
        )

    def kill(self) -> None:
        self._end(signal.SIGKILL)

    def stop(self) -> int:
        return self._end(signal.SIGTERM)

    def _end(self, how: signal.Signals) -> int:
        if self._process is None:
            return 0
        self._process.send_signal(how)
        try:
            return self._process.wait(timeout=30)
        finally:
            self._process = None


@contextmanager
def process_of(servers: Servers, database: Database, auth_url: str) -> Iterator[KilledAndRestarted]:
    process = KilledAndRestarted(servers, database, auth_url)
    try:
        yield process
    finally:
        process.kill()


async def test_kills_at_any_moment_lose_nothing_and_double_nothing(
    servers: Servers, database: Database, kafka_topics: int
) -> None:
    master_id, api_key = str(uuid7()), f"lsk_{uuid7()}"
    async with AsyncExitStack() as stack:
        auth = await stack.enter_async_context(auth_that_knows(servers.redis_url))
        await auth.remember("api_key", api_key, master_id, ("master",))
        listener = await stack.enter_async_context(listening(servers, master_id))
        process = stack.enter_context(process_of(servers, database, auth.url))
        http = await stack.enter_async_context(_client(process.port, api_key))
        process.start()
        opened = await _until_answered(http, "/strategies", {"name": "Momentum"}, "-")
        body = {"strategy_id": opened.json()["strategy_id"], **PLACE}

        killing = asyncio.create_task(_keep_killing(process))
        lanes = await asyncio.gather(
            *(_emit_until(killing, http, body, lane) for lane in range(LANES))
        )
        await killing
        signal_ids = [signal_id for lane in lanes for signal_id in lane]
        await empty_outbox(database)
        stopped = process.stop()
        await listener.wait_for(len(signal_ids) * kafka_topics)

    assert stopped in {0, -signal.SIGTERM}
    assert len(set(signal_ids)) == len(signal_ids)
    with psycopg.connect(database.owner_dsn) as owner:
        rows = owner.execute(
            "select signal_id::text, seq from signal.emitted order by seq"
        ).fetchall()
    assert [seq for _, seq in rows] == list(range(1, len(signal_ids) + 1))
    assert {signal_id for signal_id, _ in rows} == set(signal_ids)
    for partition in range(kafka_topics):
        assert {s.signal_id for s in listener.signals(partition)} == set(signal_ids)


def _client(port: int, api_key: str) -> httpx.AsyncClient:
    return httpx.AsyncClient(
        base_url=f"http://127.0.0.1:{port}",
        headers={"Authorization": f"Bearer {api_key}"},
        timeout=10,
    )


async def _emit_until(
    killing: asyncio.Task[None], http: httpx.AsyncClient, body: dict[str, object], lane: int
) -> list[str]:
    signal_ids: list[str] = []
    while not killing.done():
        answer = await _until_answered(http, "/signals", body, f"{lane}-{len(signal_ids)}")
        signal_ids.append(answer.json()["signal_id"])
    return signal_ids


async def _until_answered(
    http: httpx.AsyncClient, path: str, body: dict[str, object], key: str
) -> httpx.Response:
    """Do as a careful client does: the same request, the same key, until there is an answer."""
    give_up_at = time.monotonic() + 60
    while time.monotonic() < give_up_at:
        try:
            answer = await http.post(path, json=body, headers={"Idempotency-Key": key})
            if answer.status_code < 500:
                assert answer.status_code in {201, 202}, answer.text
                return answer
        except httpx.TransportError:
            pass  # Killed: before the commit or after it, the client cannot know.
        await asyncio.sleep(0.05)
    raise AssertionError("no answer within a minute")


async def _keep_killing(process: KilledAndRestarted) -> None:
    for _ in range(KILLS):
        await asyncio.sleep(random.uniform(0.05, 0.4))  # noqa: S311  # Any moment will do.
        await asyncio.to_thread(process.kill)
        process.start()
        await _until_listening(process.port)


async def _until_listening(port: int) -> None:
    async with asyncio.timeout(60):
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                await asyncio.sleep(0.05)
            else:
                writer.close()
                return


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
