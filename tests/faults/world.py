"""The product of one run: servers, services and people, started once and used by every row."""

import asyncio
import shutil
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path

import asyncpg
import httpx

from deploy.kafka.topics import create_topics, read_topics
from deploy.local import environment, kafka, layout, leftovers, postgres, redis_server
from deploy.local.program import Program, Tier
from deploy.local.screen import Screen
from deploy.local.servers import Addresses, addresses_of
from deploy.local.services import Services, executor_name
from deploy.local.stack import Stack
from libs.brokers.registry import BROKERS
from libs.runtime.migrations import migrate
from tests.faults import armed
from tests.faults.case import Emitted
from tests.faults.crowd import Crowd, Member, gather_crowd
from tests.faults.disk import Disk
from tests.faults.evidence import Ledger, Simulator
from tests.faults.machine import Machine
from tests.faults.wires import Wires

BROKER = BROKERS[0]
EXECUTORS = tuple(executor_name(BROKER, number) for number in range(2))
SIMULATOR = f"simulator-{BROKER.replace('_', '-')}"
PARTITIONS = 4
# The real code in seconds: nothing else differs from a product with its defaults.
EVIDENCE_WINDOW_S = 6.0
ANSWER_TIMEOUT_S = 2.0
GRACE_S = 1.0
# After this an order that nobody has seen is proved absent, with some leeway for a busy machine.
PROOF_S = ANSWER_TIMEOUT_S + GRACE_S + EVIDENCE_WINDOW_S + 6
TIMINGS = {
    "EXECUTOR_EVIDENCE_WINDOW_S": f"{EVIDENCE_WINDOW_S:g}",
    "EXECUTOR_ANSWER_TIMEOUT_S": f"{ANSWER_TIMEOUT_S:g}",
    "EXECUTOR_LOST_ANSWER_GRACE_S": f"{GRACE_S:g}",
    # As many requests at once as a broker may have to answer within that shorter time.
    "EXECUTOR_IN_FLIGHT_MAX": "200",
    "EXECUTOR_LEASE_S": "3",
    "EXECUTOR_SWEEP_EVERY_S": "0.5",
    "EXECUTOR_CHAIN_EVERY_S": "1",
    "EXECUTOR_ALARM_LASTS_S": "8",
    # No row is about the end of a day.
    "EXECUTOR_SEAL_AT_IST": "23:59",
    "STREAMING_DOWN_ALARM_AFTER_S": "2",
    "STREAMING_BOOK_REREAD_S": "5",
    "STREAMING_BOOK_REREAD_IDLE_S": "5",
    "LOG_LEVEL": "INFO",
}
_MASTERS = 6
# Commit times of the history are how write-ahead is judged.
_POSTGRES_OPTIONS = ("-c", "track_commit_timestamp=on")


@dataclass(slots=True)
class World:
    stack: Stack
    machine: Machine
    services: Services
    addresses: Addresses
    wires: Wires
    disk: Disk
    crowd: Crowd
    simulator: Simulator
    ledger: Ledger
    http: httpx.AsyncClient
    prices: Mapping[str, str]
    # Rows take the lengths and sizes that the fault table names.
    full: bool = False
    # Settings of one row's own; forgotten when the executors are put right again.
    changed: dict[str, str] = field(default_factory=dict)
    own: Mapping[int, Mapping[str, str]] = field(default_factory=dict)
    options: tuple[str, ...] = ()
    # Over all rows: what was accepted, and what accounts' owners traded themselves.
    signals: list[Emitted] = field(default_factory=list)
    foreign: set[str] = field(default_factory=set)
    _next: int = 0
    _retired: list[Member] = field(default_factory=list)

    def retire(self, members: Sequence[Member]) -> None:
        """Use these no more: what was done to them lasts for the day."""
        self._retired += members

    def take(self, count: int) -> list[Member]:
        """Pick followers in turn: those who have not been part of a row for the longest."""
        everybody = [one for one in self.crowd.followers if one not in self._retired]
        if count > len(everybody):
            raise ValueError(f"{count} followers are wanted, there are {len(everybody)}")
        picked = [everybody[(self._next + at) % len(everybody)] for at in range(count)]
        self._next = (self._next + count) % len(everybody)
        return picked

    def arming(self, name: str) -> Path:
        return self.stack.layout.state / "arming" / name

    def url(self, name: str) -> str:
        (port,) = self.machine.running[name].program.ports
        return f"http://127.0.0.1:{port}"

    def executor(self, number: int) -> Program:
        """Build one replica: through the wires, armed by its folder, with the row's settings."""
        program = self.services.executor(BROKER, number)
        wired = self.wires.settings(number, program.environment)
        settings = dict(program.environment) | wired | self.changed
        settings |= self.own.get(number, {})
        return _armed(
            replace(program, environment=settings), self.arming(program.name), self.options
        )

    async def restart_executors(
        self, *options: str, own: Mapping[int, Mapping[str, str]] | None = None, **settings: str
    ) -> None:
        """Start both replicas anew with settings or options of a row's own; `own` by replica."""
        self.changed, self.options, self.own = dict(settings), options, own or {}
        await asyncio.gather(*(self.machine.stop(name) for name in EXECUTORS))
        await self.machine.start([self.executor(number) for number in range(2)])

    async def mend(self) -> None:
        """Put everything right again: knobs, wires, processes, settings."""
        self.disk.make_room()
        # First what the wires lead to: a proxy takes connections for a server that is not there.
        await self.machine.heal(Tier.SIMULATOR)
        await self.wires.mend()
        for name in (*EXECUTORS, "signal"):
            armed.disarm(self.arming(name))
        await self.machine.heal()
        await self.simulator.calm()
        if self.changed or self.options or self.own:
            await self.restart_executors()
        await self.wait_for_owners()

    async def wait_for_owners(self, within_s: float = 30) -> None:
        """Wait until living replicas hold every shard."""
        deadline = time.monotonic() + within_s
        alive = {self.machine.pid(name) for name in EXECUTORS if self.machine.alive(name)}
        while True:
            owners = await self.ledger.owners()
            if len(owners) == PARTITIONS and set(owners.values()) <= alive:
                return
            if time.monotonic() > deadline:
                raise TimeoutError(f"after {within_s:g} s the shards are held by {owners}")
            await asyncio.sleep(0.1)

    async def shards_of(self, name: str) -> set[int]:
        owners = await self.ledger.owners()
        return {shard for shard, pid in owners.items() if pid == self.machine.pid(name)}


async def open_world(
    opened: AsyncExitStack, screen: Screen, *, followers: int, full: bool = False
) -> World:
    """Start everything from nothing; leaving `opened` ends all of it."""
    stack = _fresh_stack(screen)
    machine = Machine(log=stack.layout.log, stack_id=stack.supervisor.stack_id)
    machine.guard()
    opened.callback(machine.stop_all)
    wires = Wires.laid(stack.layout.ports, len(EXECUTORS))
    disk = Disk.possible(stack.layout.state / "kafka" / "data")
    addresses = await _servers(stack, machine, wires, disk)
    services = Services(stack, sys.executable, addresses)
    pool = await opened.enter_async_context(
        asyncpg.create_pool(addresses.postgres_dsn, min_size=1, max_size=4, timeout=5)
    )
    control = await opened.enter_async_context(
        httpx.AsyncClient(base_url=_simulator_url(stack), timeout=30, trust_env=False)
    )
    http = await opened.enter_async_context(httpx.AsyncClient(timeout=30, trust_env=False))
    world = World(
        stack=stack,
        machine=machine,
        services=services,
        addresses=addresses,
        wires=wires,
        disk=disk,
        crowd=Crowd(masters=(), followers=(), operators=(), admin_cookie=""),
        simulator=Simulator(control),
        ledger=Ledger(pool),
        http=http,
        prices={},
        full=full,
    )
    await _services(world)
    with screen.step("people"):
        world.crowd = await gather_crowd(
            stack.address, masters=_MASTERS, followers=followers, partitions=PARTITIONS
        )
    world.prices = await world.simulator.prices()
    return world


def _fresh_stack(screen: Screen) -> Stack:
    given = environment.given()
    state = layout.state_dir(given) / "faults"
    mark = state / "stack.id"
    if mark.exists():
        # What an earlier run left, whatever became of it.
        leftovers.stop(mark.read_text().strip())
        shutil.rmtree(state)
    ports = {} if "LOCKSTEP_PORT_BASE" in given else {"LOCKSTEP_PORT_BASE": "auto"}
    own = {"LOCKSTEP_STATE_DIR": str(state), "LOCKSTEP_PARTITIONS": str(PARTITIONS)}
    stack = Stack.open(given | ports | own | TIMINGS, screen)
    for name in (*EXECUTORS, "signal"):
        folder = stack.layout.state / "arming" / name
        folder.mkdir(parents=True)
    return stack


async def _servers(stack: Stack, machine: Machine, wires: Wires, disk: Disk) -> Addresses:
    with stack.screen.step("servers"):
        database, cache, bus = await asyncio.to_thread(_server_programs, stack)
        wires.advertise(stack.layout.state / "kafka" / "server.properties")
        if not disk.why_not:
            holder = disk.holder()
            await machine.start([holder])
            disk.pid = machine.pid(holder.name)
            bus = disk.inside(bus)
        await machine.start([database, cache, bus, wires.program(stack.layout.state)])
    addresses = addresses_of(stack)
    with stack.screen.step("database and topics"):
        await asyncio.gather(
            asyncio.to_thread(
                migrate,
                addresses.postgres_dsn,
                partitions=PARTITIONS,
                service_password=stack.keys.service_password,
            ),
            create_topics(addresses.kafka_bootstrap_servers, read_topics(PARTITIONS)),
        )
    return addresses


def _server_programs(stack: Stack) -> tuple[Program, Program, Program]:
    return (
        postgres_program(stack),
        redis_server.prepare(stack.layout, stack.keys.redis_password),
        kafka.prepare(stack.layout),
    )


def postgres_program(stack: Stack) -> Program:
    """Prepare PostgreSQL; after a SIGKILL this is done again, for what the dead one left."""
    database = postgres.prepare(stack.layout, stack.keys.postgres_password)
    return replace(database, command=(*database.command, *_POSTGRES_OPTIONS))


async def _services(world: World) -> None:
    services = world.services
    signal = _armed(services.signal(), world.arming("signal"), ())
    programs: Sequence[Program] = [
        services.simulator(BROKER),
        services.auth(),
        signal,
        services.streaming(),
        *(world.executor(number) for number in range(len(EXECUTORS))),
        services.web(application=False),
    ]
    with world.stack.screen.step("services"):
        await world.machine.start(programs)


def _armed(program: Program, folder: Path, options: Sequence[str]) -> Program:
    """Run it through the launcher that can be told to die."""
    python, _, module = program.command
    command = (python, "-m", "tests.faults.armed", str(folder), module, *options)
    return replace(program, command=command)


def _simulator_url(stack: Stack) -> str:
    return f"http://127.0.0.1:{stack.layout.ports.simulator_of(BROKER)}"
