"""A world with a simulator and real servers for the tests of streaming."""

from collections.abc import AsyncIterator
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
    running_program,
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


@pytest.fixture
async def broker(tmp_path: Path) -> AsyncIterator[SimulatedBroker]:
    port = free_port()
    environment = {
        "SIMULATOR_BROKER": BROKER,
        "SIMULATOR_PORT": str(port),
        "SIMULATOR_STATE_DIR": str(tmp_path / "simulator"),
    }
    async with AsyncExitStack() as stack:
        program = await stack.enter_async_context(
            running_program("simulator", environment, port, tmp_path / "simulator.log")
        )
        line = await stack.enter_async_context(CuttableLine(port).open())
        http = await stack.enter_async_context(
            httpx.AsyncClient(base_url=program.url, trust_env=False)
        )
        doors = manifest(BROKER)
        gateway = doors.orders(doors.addresses(Environment.PAPER, program.url))
        stack.push_async_callback(gateway.aclose)
        yield SimulatedBroker(
            direct_url=program.url, line=line, http=http, doors=doors, gateway=gateway
        )


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
