"""PostgreSQL, Redis and Apache Kafka as containers, where a container engine answers."""

import socket
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager

from testcontainers.core.container import DockerContainer
from testcontainers.core.wait_strategies import LogMessageWaitStrategy

# The images of docker-compose.yml; a test compares them.
POSTGRES_IMAGE = "postgres:18"
REDIS_IMAGE = "redis:8"
KAFKA_IMAGE = "apache/kafka:4.3.1"


@contextmanager
def running_containers(given: Mapping[str, str]) -> Iterator[dict[str, str]]:
    """Start what the environment does not name; all of it is gone when the test run ends."""
    found = dict(given)
    with ExitStack() as running:
        if "POSTGRES_DSN" not in found:
            found["POSTGRES_DSN"] = _postgres(running)
        if "REDIS_URL" not in found:
            found["REDIS_URL"] = _redis(running)
        if "KAFKA_BOOTSTRAP_SERVERS" not in found:
            found["KAFKA_BOOTSTRAP_SERVERS"] = _kafka(running)
        yield found


def _postgres(running: ExitStack) -> str:
    # The first "ready" line is the one of initdb's own short-lived server.
    ready = LogMessageWaitStrategy("ready to accept connections", times=2)
    container = (
        DockerContainer(POSTGRES_IMAGE, command="postgres -c max_connections=300")
        .with_env("POSTGRES_USER", "lockstep")
        .with_env("POSTGRES_PASSWORD", "lockstep-tests")
        .with_exposed_ports(5432)
        .waiting_for(ready)
    )
    running.enter_context(container)
    host, port = container.get_container_host_ip(), container.get_exposed_port(5432)
    return f"postgresql://lockstep:lockstep-tests@{host}:{port}/lockstep"


def _redis(running: ExitStack) -> str:
    container = (
        DockerContainer(REDIS_IMAGE)
        .with_exposed_ports(6379)
        .waiting_for(LogMessageWaitStrategy("Ready to accept connections"))
    )
    running.enter_context(container)
    host, port = container.get_container_host_ip(), container.get_exposed_port(6379)
    return f"redis://{host}:{port}/0"


def _kafka(running: ExitStack) -> str:
    # Kafka tells its clients its own address, so the port outside must be known before it starts.
    port = _free_port()
    container = (
        DockerContainer(KAFKA_IMAGE)
        .with_bind_ports(9092, port)
        .waiting_for(LogMessageWaitStrategy("Kafka Server started"))
    )
    host = container.get_container_host_ip()
    for name, value in _kafka_settings(host, port).items():
        container.with_env(name, value)
    running.enter_context(container)
    return f"{host}:{port}"


def _kafka_settings(host: str, port: int) -> dict[str, str]:
    return {
        "KAFKA_NODE_ID": "1",
        "KAFKA_PROCESS_ROLES": "broker,controller",
        "KAFKA_LISTENERS": "PLAINTEXT://:9092,CONTROLLER://:9093",
        "KAFKA_ADVERTISED_LISTENERS": f"PLAINTEXT://{host}:{port}",
        "KAFKA_CONTROLLER_LISTENER_NAMES": "CONTROLLER",
        "KAFKA_INTER_BROKER_LISTENER_NAME": "PLAINTEXT",
        "KAFKA_LISTENER_SECURITY_PROTOCOL_MAP": "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT",
        "KAFKA_CONTROLLER_QUORUM_VOTERS": "1@localhost:9093",
        "KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR": "1",
        "KAFKA_TRANSACTION_STATE_LOG_REPLICATION_FACTOR": "1",
        "KAFKA_TRANSACTION_STATE_LOG_MIN_ISR": "1",
        "KAFKA_GROUP_INITIAL_REBALANCE_DELAY_MS": "0",
        "KAFKA_AUTO_CREATE_TOPICS_ENABLE": "false",
        "KAFKA_HEAP_OPTS": "-Xms256m -Xmx512m",
    }


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port
