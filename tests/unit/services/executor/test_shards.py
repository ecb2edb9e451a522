"""A shard counts as loaded only while its memory is there, whatever the group does meanwhile."""

import asyncio
import time
from collections.abc import Iterable, Sequence
from typing import cast

from aiokafka import TopicPartition

from libs.contracts import topics
from services.executor.leases import Leases
from services.executor.shards import OwnedShards


class FreeLeases:
    """Everybody may have every lease; who asks for one may have to wait for the answer."""

    lease_s = 6.0

    def __init__(self) -> None:
        self.held: set[int] = set()
        self.asked = asyncio.Event()
        self.answers = asyncio.Event()
        self.answers.set()

    async def acquire(self, shards: Sequence[int]) -> dict[int, int]:
        self.asked.set()
        await self.answers.wait()
        self.held |= set(shards)
        return dict.fromkeys(shards, 1)

    async def renew(self, epochs: dict[int, int]) -> set[int]:
        return set(epochs)

    async def release(self, epochs: dict[int, int]) -> None:
        self.held -= epochs.keys()


class SlowMemory:
    """Takes shards at once, and is not done before it is told so: a broker is slow to answer."""

    def __init__(self) -> None:
        self.held: set[int] = set()
        self.loads = 0
        self.begun = asyncio.Event()
        self.go_on = asyncio.Event()

    async def load(self, shards: Sequence[int]) -> None:
        self.loads += 1
        self.held |= set(shards)
        self.begun.set()
        await self.go_on.wait()

    def forget(self, shards: Iterable[int]) -> None:
        self.held -= set(shards)


async def test_a_shard_that_went_and_came_back_while_it_was_loaded_is_loaded_anew() -> None:
    memory = SlowMemory()
    shards = owned(memory)
    keeping = asyncio.create_task(shards.keep())
    await shards.on_partitions_assigned(partitions(0, 1, 2, 3))
    await memory.begun.wait()

    await shards.on_partitions_revoked(partitions(0, 1, 2, 3))
    await shards.on_partitions_assigned(partitions(2, 3))
    memory.go_on.set()

    assert await asyncio.wait_for(shards.ready([2, 3]), 2)
    assert memory.held == {2, 3}
    assert memory.loads == 2
    keeping.cancel()


async def test_a_shard_that_went_while_it_was_loaded_leaves_nothing_in_memory() -> None:
    memory = SlowMemory()
    shards = owned(memory)
    keeping = asyncio.create_task(shards.keep())
    await shards.on_partitions_assigned(partitions(0, 1))
    await memory.begun.wait()

    await shards.on_partitions_revoked(partitions(0))
    memory.held.add(0)  # The load was about to write it.
    memory.go_on.set()

    assert await asyncio.wait_for(shards.ready([1]), 2)
    assert memory.held == {1}
    keeping.cancel()


async def test_without_kafka_free_shards_are_taken() -> None:
    leases = FreeLeases()
    shards = owned(SlowMemory(), leases)

    await shards.take_free(range(4), silent_since=time.monotonic())

    assert shards.assigned == leases.held == {0, 1, 2, 3}


async def test_what_kafka_gave_to_others_is_not_taken_back() -> None:
    leases = FreeLeases()
    shards = owned(SlowMemory(), leases)
    silent_since = time.monotonic()
    await shards.take_free(range(4), silent_since=silent_since)

    await shards.on_partitions_assigned(partitions(2, 3))
    await shards.take_free(range(4), silent_since=silent_since)

    assert shards.assigned == leases.held == {2, 3}


async def test_what_was_asked_for_before_kafka_assigned_is_given_back() -> None:
    leases = FreeLeases()
    shards = owned(SlowMemory(), leases)
    leases.answers.clear()
    taking = asyncio.create_task(shards.take_free(range(4), silent_since=time.monotonic()))
    await leases.asked.wait()

    await shards.on_partitions_assigned(partitions(2, 3))
    leases.answers.set()
    await taking

    assert shards.assigned == {2, 3}
    assert shards.epochs == {}
    assert leases.held == set()


def owned(memory: SlowMemory, leases: FreeLeases | None = None) -> OwnedShards:
    return OwnedShards(
        leases=cast("Leases", leases or FreeLeases()), load=memory.load, forget=memory.forget
    )


def partitions(*shards: int) -> list[TopicPartition]:
    return [TopicPartition(topic, shard) for topic in topics.EXECUTOR_INPUT for shard in shards]
