"""One replica on a real database, with its loops running and no bus."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from typing import Any

import asyncpg
import pytest
from pydantic import SecretStr

from libs.brokers import registry
from libs.brokers.manifest import BrokerManifest
from libs.contracts.notices import notice_message
from libs.runtime.alarms import Alarms
from libs.runtime.postgres import open_pool
from libs.trading.accounts import Environment
from services.executor.gateways import OpenGateways
from services.executor.replica import Replica, build_replica
from services.executor.settings import ExecutorSettings
from tests.integration.executor.world import (
    BROKER,
    BrokerWithJournal,
    SessionsAtHand,
    World,
    partitions,
)
from tests.servers import PARTITIONS, Database

# A broker that may be read as often as an impatient test wants.
BUSY = replace(registry.manifest(BROKER), requests_per_minute_max=100_000)


def settings(dsn: str, **changes: Any) -> ExecutorSettings:
    quick = {"evidence_window_s": 0.6, "answer_timeout_s": 0.2, "lost_answer_grace_s": 0.1}
    values = {"sweep_every_s": 0.1, "lease_s": 2.0, **quick, **changes}
    return ExecutorSettings(
        broker=BROKER,
        postgres_dsn=SecretStr(dsn),
        order_tag_key=SecretStr("00" * 32),
        session_encryption_key=SecretStr("unused"),
        internal_service_token=SecretStr("unused-but-long-enough"),
        **values,
    )


@asynccontextmanager
async def running(replica: Replica) -> AsyncIterator[None]:
    """Own every shard and run the loops of the replica."""
    await replica.shards.on_partitions_assigned(partitions())
    work = replica.work
    loops = [
        asyncio.create_task(loop)
        for loop in (
            replica.shards.keep(),
            replica.ledger.write_batches(),
            work.dispatch(),
            work.fetch_sessions(),
            work.sweep(),
            *replica.reconciliation.loops(replica.work.every).values(),
        )
    ]
    async with asyncio.timeout(8):
        while not _at_work(replica):  # noqa: ASYNC110  # The database decides.
            await asyncio.sleep(0.01)
    replica.work.flow.departure.pace.forget(list(replica.work.followers.accounts))
    try:
        yield
    finally:
        for loop in loops:
            loop.cancel()
        await asyncio.wait(loops)


def _at_work(replica: Replica) -> bool:
    """Tell whether what comes from now on was not there before the shards were taken."""
    shards = replica.shards
    return shards.settled and replica.reconciliation.rereading.knows(shards.epochs)


@asynccontextmanager
async def a_world(
    database: Database, manifest: BrokerManifest | None = None, **changes: Any
) -> AsyncIterator[World]:
    async with AsyncExitStack() as stack:
        owner = await open_pool(database.owner_dsn, application_name="test", max_size=3)
        stack.push_async_callback(owner.close)
        pool = await open_pool(database.dsn("executor"), application_name="executor.test")
        stack.push_async_callback(pool.close)
        broker, sessions = BrokerWithJournal(owner), SessionsAtHand()
        gateways = OpenGateways(
            manifest or registry.manifest(BROKER),
            None,
            opened={Environment.PAPER: broker},
            readers={Environment.PAPER: broker},
            markets={Environment.PAPER: None},
        )
        replica = build_replica(
            settings(database.dsn("executor"), **changes),
            pool,
            sessions,
            gateways,
            PARTITIONS,
            Alarms(pool, "executor", None, notice_message),
        )
        await replica.work.flow.departure.clock.measure()
        # The window is hundreds of times shorter here, so its looks come as much quicker.
        replica.reconciliation.settling.reads.requests_per_minute_max = 100_000
        world = World(owner=owner, replica=replica, broker=broker, sessions=sessions)
        await world.open()
        yield world


@pytest.fixture
async def world(database: Database) -> AsyncIterator[World]:
    """Give a world whose replica is not running yet: followers come first."""
    async with a_world(database) as world:
        yield world


__all__ = ["a_world", "asyncpg", "running", "settings"]
