"""Apache Kafka in KRaft mode: one process that is broker and controller, with a small heap."""

import asyncio
import base64
import subprocess
import uuid
from collections.abc import Callable
from pathlib import Path

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from deploy.local import jars
from deploy.local.java import find_java
from deploy.local.layout import Layout, clean_environment
from deploy.local.problems import Problem
from deploy.local.program import Program, Tier

_HEAP = ("-Xms256m", "-Xmx512m", "-XX:+UseSerialGC")
_QUIET = (
    "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
    "-Dorg.slf4j.simpleLogger.showDateTime=true",
)


def bootstrap_servers(layout: Layout) -> str:
    return f"127.0.0.1:{layout.ports.kafka}"


def prepare(
    layout: Layout, progress: Callable[[int, int], None] = lambda done, total: None
) -> Program:
    """Fetch the jars and format the log folder if need be; return the program that serves it."""
    home = layout.state / "kafka"
    home.mkdir(exist_ok=True, mode=0o700)
    settings = home / "server.properties"
    settings.write_text(_properties(layout, home / "data"))
    java = (str(find_java()), "-cp", jars.fetch(layout.cache, progress), *_QUIET)
    if not (home / "data" / "meta.properties").exists():
        _format(java, settings)
    return Program(
        name="kafka",
        command=(*java, *_HEAP, "kafka.Kafka", str(settings)),
        tier=Tier.SERVER,
        ports={layout.ports.kafka: "kafka", layout.ports.kafka_controller: "kafka_controller"},
        ready=lambda: asyncio.run(_answers(bootstrap_servers(layout))),
    )


def _properties(layout: Layout, data: Path) -> str:
    broker = f"PLAINTEXT://127.0.0.1:{layout.ports.kafka}"
    controller = f"127.0.0.1:{layout.ports.kafka_controller}"
    settings = {
        "process.roles": "broker,controller",
        "node.id": "1",
        "listeners": f"{broker},CONTROLLER://{controller}",
        "advertised.listeners": broker,
        "controller.listener.names": "CONTROLLER",
        "inter.broker.listener.name": "PLAINTEXT",
        "listener.security.protocol.map": "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT",
        # Voters by setting, not by `format --standalone`: that writes the port into the log, and
        # a stack may come back on another one.
        "controller.quorum.voters": f"1@{controller}",
        "log.dirs": str(data),
        "auto.create.topics.enable": "false",
        "num.partitions": "4",
        "offsets.topic.num.partitions": "4",
        "offsets.topic.replication.factor": "1",
        "transaction.state.log.replication.factor": "1",
        "transaction.state.log.min.isr": "1",
        "share.coordinator.state.topic.replication.factor": "1",
        "share.coordinator.state.topic.min.isr": "1",
        "group.initial.rebalance.delay.ms": "0",
        # An idle broker on one machine: without these it burns 5 % of a core, with them 1 %.
        "metadata.max.idle.interval.ms": "0",
        "num.network.threads": "2",
        "num.io.threads": "4",
        "background.threads": "2",
    }
    return "".join(f"{name}={value}\n" for name, value in settings.items())


def _format(java: tuple[str, ...], settings: Path) -> None:
    # Kafka writes a UUID as 22 characters of URL-safe base64. The first one is an "l" here: a dash
    # in its place would be read as an option.
    cluster_id = "l" + base64.urlsafe_b64encode(uuid.uuid4().bytes).decode()[1:22]
    done = subprocess.run(
        [*java, "kafka.tools.StorageTool", "format", "-t", cluster_id, "-c", str(settings)],
        env=clean_environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        why = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise Problem(f"Kafka's log folder could not be made: {why}", "Run make clean, try again")


async def _answers(servers: str) -> bool:
    admin = AIOKafkaAdminClient(bootstrap_servers=servers, request_timeout_ms=2000)
    try:
        await admin.start()
        return bool((await admin.describe_cluster())["brokers"])
    except (KafkaError, OSError, TimeoutError):
        return False
    finally:
        await admin.close()
