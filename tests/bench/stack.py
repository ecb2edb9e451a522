"""The product on real servers for the bench: its own folder, its own ports, executors at will."""

import asyncio
import json
import shutil
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import asyncpg

from deploy.kafka.topics import Topic, create_topics, read_topics
from deploy.local import environment
from deploy.local.program import Program
from deploy.local.screen import Screen
from deploy.local.servers import Addresses, start_servers
from deploy.local.services import Services, executor_name
from deploy.local.stack import Stack
from libs.runtime.migrations import migrate
from tests.bench.crowd import BROKER
from tests.bench.floor import SCHEMA, TOPIC

PARTITIONS = 4
# A new owner treats the first window of every account as used: after it no pace is in the way.
_AFTER_TAKING_S = 1.5
_LEASES_S = 60
_FOLDER = "bench"
_SERVERS = ("POSTGRES_DSN", "REDIS_URL", "KAFKA_BOOTSTRAP_SERVERS")


def bench_environment() -> Mapping[str, str]:
    """Keep what a person set, but in a folder and on ports of the bench's own."""
    given = environment.given()
    own = {
        "LOCKSTEP_STATE_DIR": str(Path(given.get("LOCKSTEP_STATE_DIR", "run")) / _FOLDER),
        "LOCKSTEP_PORT_BASE": given.get("LOCKSTEP_PORT_BASE", "auto"),
    }
    # A database that somebody uses is no place for five million rows.
    return {name: value for name, value in given.items() if name not in _SERVERS} | own


@dataclass(slots=True)
class Product:
    """The servers, auth and signal; executors come and go."""

    stack: Stack
    addresses: Addresses
    services: Services
    profiled: bool = False
    executors: int = 0

    @property
    def broker_port(self) -> int:
        return self.stack.layout.ports.simulator_of(BROKER)

    @property
    def signal_url(self) -> str:
        return f"http://127.0.0.1:{self.stack.layout.ports.signal}"

    @property
    def log(self) -> Path:
        return self.stack.layout.log

    @property
    def profile_file(self) -> Path:
        return self.stack.layout.state / "profile.json"

    def pids(self) -> dict[str, int]:
        return self.stack.supervisor.pids()

    def executor_pid(self) -> int:
        """Return the process of the first executor."""
        return self.pids()[executor_name(BROKER, 0)]

    async def scale(self, executors: int, pool: asyncpg.Pool, *, afresh: bool = False) -> None:
        """Run that many executors and return when they own every shard and no pace is left."""
        if afresh:
            await asyncio.to_thread(self._stop_executors)
        if executors != self.executors:
            await asyncio.to_thread(self._run, executors)
            await _owned(pool, executors)
            await asyncio.sleep(_AFTER_TAKING_S)

    def _run(self, executors: int) -> None:
        wanted = [self._executor(number) for number in range(executors)]
        beyond = [executor_name(BROKER, n) for n in range(executors, self.executors)]
        self.stack.supervisor.remove(beyond)
        self.stack.start(wanted)
        self.executors = executors

    def _stop_executors(self) -> None:
        names = [executor_name(BROKER, number) for number in range(self.executors)]
        self.stack.supervisor.remove(names)
        self.executors = 0

    def _executor(self, number: int) -> Program:
        program = self.services.executor(BROKER, number)
        if not self.profiled:
            return program
        launcher = (sys.executable, "-m", "tests.bench.profiled", str(self.profile_file))
        return replace(program, command=(*launcher, program.command[-1]))


@contextmanager
def running_product(screen: Screen, *, profiled: bool, keep: bool) -> Iterator[Product]:
    """Start everything but executors, and stop all of it; remove its folder unless told to keep it.

    Not from a running event loop.
    """
    stack = Stack.open(bench_environment(), screen)
    with stack.locked(wait=False):
        stack.clear()
        try:
            yield _started(stack, profiled)
        finally:
            stack.stop()
            if not keep:
                stack.forget()
                shutil.rmtree(stack.layout.state, ignore_errors=True)


def _started(stack: Stack, profiled: bool) -> Product:
    stack.ensure_supervisor(dies_with_us=True)
    addresses = start_servers(stack)
    with stack.screen.step("database and topics"):
        migrate(
            addresses.postgres_dsn,
            partitions=PARTITIONS,
            service_password=stack.keys.service_password,
        )
        asyncio.run(_prepare(addresses))
    services = Services(stack, sys.executable, addresses)
    stack.start([services.auth(), services.signal()])
    return Product(stack=stack, addresses=addresses, services=services, profiled=profiled)


async def _prepare(addresses: Addresses) -> None:
    topics = [*read_topics(PARTITIONS), Topic(name=TOPIC, partitions=1)]
    await create_topics(addresses.kafka_bootstrap_servers, topics)
    connection = await asyncpg.connect(addresses.postgres_dsn)
    try:
        await connection.execute(SCHEMA)
    finally:
        await connection.close()


async def _owned(pool: asyncpg.Pool, executors: int) -> None:
    """Wait until that many owners share the shards evenly."""
    async with asyncio.timeout(_LEASES_S):
        while True:
            rows = await pool.fetch(
                """SELECT owner, count(*) AS shards FROM executor.shard_leases
                WHERE broker = $1 AND until > clock_timestamp() GROUP BY owner""",
                BROKER,
            )
            if [row["shards"] for row in rows] == [PARTITIONS // executors] * executors:
                return
            await asyncio.sleep(0.1)


def write_settings(file: Path, **values: object) -> Path:
    """Leave settings for a worker in a file that only we can read: they hold an address."""
    file.touch(mode=0o600)
    file.write_text(json.dumps(values))
    return file
