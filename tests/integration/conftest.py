"""The fixtures of everything that needs real servers: addresses, databases and topics."""

import asyncio
import itertools
import os
from collections.abc import Iterator

import pytest

from deploy.kafka.topics import create_topics, read_topics
from tests.servers import (
    PARTITIONS,
    Database,
    Servers,
    cloned_database,
    migrated_template,
    running_servers,
)

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def servers() -> Iterator[Servers]:
    with running_servers() as running:
        yield running


@pytest.fixture(scope="session")
def database_template(servers: Servers) -> Iterator[str]:
    with migrated_template(servers) as name:
        yield name


@pytest.fixture
def database(servers: Servers, database_template: str) -> Iterator[Database]:
    """Give this test a migrated database of its own."""
    name = f"lockstep_test_{os.getpid()}_{next(_numbers)}"
    with cloned_database(servers, database_template, name) as cloned:
        yield cloned


@pytest.fixture(scope="session")
def kafka_topics(servers: Servers) -> int:
    """Create every topic once and return the partition count. Tests use ids of their own."""
    asyncio.run(create_topics(servers.kafka_bootstrap_servers, read_topics(PARTITIONS)))
    return PARTITIONS
