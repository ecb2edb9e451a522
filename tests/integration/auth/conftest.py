"""A running auth service and the simulator its paper accounts connect to."""

from collections.abc import AsyncIterator, Iterator

import pytest

from tests.integration.auth.running import (
    RunningSimulator,
    World,
    running_auth,
    running_simulator,
)
from tests.servers import Database, Servers


@pytest.fixture(scope="module")
def simulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSimulator]:
    with running_simulator(tmp_path_factory.mktemp("simulator")) as running:
        yield running


@pytest.fixture
async def world(
    servers: Servers, database: Database, kafka_topics: int, simulator: RunningSimulator
) -> AsyncIterator[World]:
    async with running_auth(servers, database, simulator) as running:
        yield running
