"""Who serves which shard when replicas come and go, on real Kafka and real leases."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field

from aiokafka import ConsumerRebalanceListener, TopicPartition
from uuid_utils import uuid7

from libs.contracts import topics
from libs.contracts.codec import Record, Undecodable
from libs.runtime.bus import open_bus
from libs.runtime.postgres import open_pool
from libs.runtime.settings import KafkaSettings
from services.executor.app import subscribe
from services.executor.leases import Leases
from tests.servers import PARTITIONS, Database, Servers


@dataclass
class AssignmentSeen(ConsumerRebalanceListener):
    """Keeps what Kafka gave this replica, per topic."""

    by_topic: dict[str, set[int]] = field(default_factory=dict)

    async def on_partitions_revoked(self, revoked: Iterable[TopicPartition]) -> None:
        self.by_topic = {}

    async def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        self.by_topic = {topic: set() for topic in topics.EXECUTOR_INPUT}
        for partition in assigned:
            self.by_topic[partition.topic].add(partition.partition)


async def nothing_to_plan(records: Sequence[Record | Undecodable]) -> bool:
    return True


@asynccontextmanager
async def a_replica(servers: Servers, group: str) -> AsyncIterator[AssignmentSeen]:
    settings = KafkaSettings(kafka_bootstrap_servers=servers.kafka_bootstrap_servers)
    bus, seen = open_bus(settings, client_id="test"), AssignmentSeen()
    subscribe(bus, group, seen, nothing_to_plan)
    await bus.start()
    try:
        yield seen
    finally:
        await bus.stop()


async def shared_out(replicas: Sequence[AssignmentSeen], within_s: float = 20) -> None:
    """Wait until the replicas share all partitions, the same ones of every topic."""
    deadline = asyncio.get_running_loop().time() + within_s
    while True:
        sets = [list(replica.by_topic.values()) for replica in replicas]
        together = all(len(s) == len(topics.EXECUTOR_INPUT) for s in sets) and all(
            each == s[0] for s in sets for each in s
        )
        if together and sorted(p for s in sets for p in s[0]) == list(range(PARTITIONS)):
            return
        assert asyncio.get_running_loop().time() < deadline, [r.by_topic for r in replicas]
        await asyncio.sleep(0.05)


async def test_three_replicas_own_the_same_partitions_of_every_topic(
    servers: Servers, kafka_topics: int
) -> None:
    group = str(uuid7())
    async with AsyncExitStack() as stack:
        replicas = [await stack.enter_async_context(a_replica(servers, group)) for _ in range(3)]
        await shared_out(replicas)
        assert sorted(len(r.by_topic[topics.SIGNALS]) for r in replicas) == [1, 1, 2]

    async with a_replica(servers, group) as alone:
        await shared_out([alone])


async def test_a_lease_has_one_owner_until_it_runs_out_or_is_released(
    database: Database,
) -> None:
    pool = await open_pool(database.dsn("executor"), application_name="test")
    first, second = (Leases(pool, "fyers", name, lease_s=0.5) for name in ("first", "second"))

    held = await first.acquire([0, 1])
    assert await second.acquire([0, 1]) == {}
    assert await first.renew(held) == {0, 1}
    await first.release({0: held[0]})
    taken = await second.acquire([0, 1])
    await asyncio.sleep(0.6)
    later = await second.acquire([1])

    assert taken == {0: held[0] + 1}
    assert later == {1: held[1] + 1}
    assert await first.renew(held) == set()
    await pool.close()
