"""PostgreSQL, Redis and Kafka of one stack: started here, unless the environment names others."""

import json
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass

from deploy.local import kafka, postgres, redis_server
from deploy.local.program import Program
from deploy.local.stack import Stack


@dataclass(frozen=True, slots=True, kw_only=True)
class Addresses:
    """Where the three servers answer. The DSN is the owner's: it may create roles and schemas."""

    postgres_dsn: str
    redis_url: str
    kafka_bootstrap_servers: str

    def as_json(self) -> str:
        return json.dumps(asdict(self))


def addresses_of(stack: Stack) -> Addresses:
    given: Mapping[str, str] = stack.environment
    return Addresses(
        postgres_dsn=given.get("POSTGRES_DSN")
        or postgres.owner_dsn(stack.layout, stack.keys.postgres_password),
        redis_url=given.get("REDIS_URL")
        or redis_server.url(stack.layout, stack.keys.redis_password),
        kafka_bootstrap_servers=given.get("KAFKA_BOOTSTRAP_SERVERS")
        or kafka.bootstrap_servers(stack.layout),
    )


def start_servers(stack: Stack) -> Addresses:
    """Start what the environment does not name, all at once, and wait until it answers."""
    makers: dict[str, Callable[[], Program]] = {
        "POSTGRES_DSN": lambda: _prepare_postgres(stack),
        "REDIS_URL": lambda: redis_server.prepare(stack.layout, stack.keys.redis_password),
        "KAFKA_BOOTSTRAP_SERVERS": lambda: _prepare_kafka(stack),
    }
    wanted = [make for setting, make in makers.items() if not stack.environment.get(setting)]
    with stack.screen.step("servers prepared"), ThreadPoolExecutor() as pool:
        programs = [made.result() for made in [pool.submit(make) for make in wanted]]
    stack.start(programs)
    return addresses_of(stack)


def _prepare_postgres(stack: Stack) -> Program:
    program = postgres.prepare(stack.layout, stack.keys.postgres_password)
    if postgres.moved_home(stack.layout.state).exists():
        stack.screen.say(
            "User namespaces are refused here: PostgreSQL runs as nobody, from a copy in "
            f"{postgres.moved_home(stack.layout.state)}"
        )
    return program


def _prepare_kafka(stack: Stack) -> Program:
    def show(done: int, total: int) -> None:
        stack.screen.note("servers prepared", f"Kafka's jars: {done} of {total}")

    return kafka.prepare(stack.layout, show)
