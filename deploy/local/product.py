"""The product on top of its servers: migrated, services ready, demo people connected."""

import asyncio
import shutil
import sys
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

from deploy.kafka.topics import PartitionsDiffer, create_topics, read_topics
from deploy.local import people, webapp
from deploy.local.layout import REPLICAS_MAX
from deploy.local.problems import Problem, disk_full
from deploy.local.servers import Addresses, addresses_of, start_servers
from deploy.local.services import Services, executor_name
from deploy.local.stack import Stack, recall
from libs.brokers.registry import BROKERS
from libs.runtime.migrations import MigrationRefused, migrate

_NEEDED_MB = 500


def start_product(stack: Stack, *, application: bool = True) -> people.Crowd:
    """Start everything that does not run yet; without the browser application if asked."""
    _refuse_full_disk(stack)
    replicas = _replicas(stack)
    services = _services(stack, addresses_of(stack)).all(replicas, application=application)
    stack.refuse_used_ports(services)  # Told at once, not after the servers have started.
    with ThreadPoolExecutor() as pool:
        built = pool.submit(_build_application, stack) if application else None
        addresses = start_servers(stack)
        _prepare_servers(stack, addresses)
        if built is not None:
            built.result()
    stack.start(services)
    stack.remember(replicas=replicas)
    return people.settle(stack)


def scale(stack: Stack, broker: str, replicas: int) -> None:
    """Start or stop executors of one broker until there are that many; the others stay."""
    if broker not in BROKERS:
        raise Problem(f"There is no broker {broker}", f"Choose one of: {', '.join(BROKERS)}")
    if not 0 <= replicas <= REPLICAS_MAX:
        raise Problem(f"{replicas} replicas", f"Give a number from 0 to {REPLICAS_MAX}")
    if not stack.supervisor.alive() or "replicas" not in recall(stack.layout.state):
        raise Problem("Nothing runs here", "Start it first: make run")
    services = _services(stack, addresses_of(stack))
    stack.start([services.executor(broker, number) for number in range(replicas)])
    beyond = [executor_name(broker, number) for number in range(replicas, REPLICAS_MAX)]
    stack.supervisor.remove([name for name in beyond if name in stack.supervisor.states()])
    known = recall(stack.layout.state)["replicas"]
    stack.remember(replicas=known | {broker: replicas})


def _services(stack: Stack, addresses: Addresses) -> Services:
    return Services(stack, sys.executable, addresses)


def _replicas(stack: Stack) -> Mapping[str, int]:
    """Read how many executors each broker starts with."""
    given = stack.environment.get("LOCKSTEP_EXECUTORS", "2")
    if not given.isdecimal() or not 1 <= int(given) <= REPLICAS_MAX:
        raise Problem(
            f"LOCKSTEP_EXECUTORS={given} is no number of executors",
            f"Give a number from 1 to {REPLICAS_MAX}",
        )
    return dict.fromkeys(BROKERS, int(given))


def _refuse_full_disk(stack: Stack) -> None:
    stack.layout.cache.mkdir(parents=True, exist_ok=True)
    for where in (stack.layout.state, stack.layout.cache):
        free_mb = shutil.disk_usage(where).free / 1e6
        if free_mb < _NEEDED_MB:
            raise disk_full(where, free_mb, _NEEDED_MB)


def _build_application(stack: Stack) -> None:
    step = "browser application"
    stack.screen.begin(step, "building")
    stack.screen.end(step, webapp.build(stack.layout.log / "webapp.log"))


def _prepare_servers(stack: Stack, addresses: Addresses) -> None:
    """Bring database and topics to what this version needs, both at once."""
    partitions = int(stack.environment.get("LOCKSTEP_PARTITIONS") or 4)
    with stack.screen.step("database and topics"), ThreadPoolExecutor() as pool:
        migrated = pool.submit(
            migrate,
            addresses.postgres_dsn,
            partitions=partitions,
            service_password=stack.keys.service_password,
        )
        topics = pool.submit(
            asyncio.run,
            create_topics(addresses.kafka_bootstrap_servers, read_topics(partitions)),
        )
        try:
            migrated.result()
            topics.result()
        except (MigrationRefused, PartitionsDiffer) as error:
            raise Problem(str(error), "Or run make clean for an empty installation") from error
