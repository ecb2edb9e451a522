"""A world with a simulator and real servers for the tests of streaming."""

from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import httpx
import pytest
from redis.asyncio import Redis

from libs.brokers.registry import manifest
from libs.trading.accounts import Environment
from tests.integration.streaming.programs import (
    AuthThatKnowsNobody,
    CuttableLine,
    free_port,
    started_program,
    until_ready,
)
from tests.integration.streaming.world import (
    BROKER,
    Heard,
    SimulatedBroker,
    World,
    open_publisher,
    replaced_accounts,
)
from tests.servers import Database, Servers


@pytest.fixture(scope="session")
def simulator_port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """Start one simulator for all these tests: each uses clients of its own."""
    folder, port = tmp_path_factory.mktemp("simulator"), free_port()
    environment = {
        "SIMULATOR_BROKER": BROKER,
        "SIMULATOR_PORT": str(port),
        "SIMULATOR_STATE_DIR": str(folder / "state"),
    }
    with started_program("simulator", environment, folder / "simulator.log"):
        yield port


@pytest.fixture
async def broker(simulator_port: int) -> AsyncIterator[SimulatedBroker]:
    url = f"http://127.0.0.1:{simulator_port}"
    async with AsyncExitStack() as stack:
        line = await stack.enter_async_context(CuttableLine(simulator_port).open())
        http = await stack.enter_async_context(httpx.AsyncClient(base_url=url, trust_env=False))
        await until_ready(http)
        doors = manifest(BROKER)
        gateway = doors.orders(doors.addresses(Environment.PAPER, url))
        stack.push_async_callback(gateway.aclose)
        broker = SimulatedBroker(direct_url=url, line=line, http=http, doors=doors, gateway=gateway)
        await broker.set_price("800.00")
        yield broker


@pytest.fixture
async def world(
    servers: Servers, database: Database, kafka_topics: int, broker: SimulatedBroker, tmp_path: Path
) -> AsyncIterator[World]:
    async with AsyncExitStack() as stack:
        owner = await replaced_accounts(database)
        stack.push_async_callback(owner.close)
        redis = Redis.from_url(servers.redis_url)
        stack.push_async_callback(redis.aclose)
        bus, publisher = open_publisher(servers)
        await bus.start()
        stack.push_async_callback(bus.stop)
        auth = await stack.enter_async_context(AuthThatKnowsNobody().open())
        heard = await stack.enter_async_context(Heard(servers).open())
        yield World(
            servers=servers,
            database=database,
            owner=owner,
            redis=redis,
            broker=broker,
            auth=auth,
            publisher=publisher,
            heard=heard,
            folder=tmp_path,
            stack=stack,
        )
