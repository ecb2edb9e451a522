"""Shards are spread evenly over replicas, taken over after 6 s, given back on a clean stop."""

from collections import Counter
from collections.abc import Mapping

import pytest

from services.streaming.leases import LeaseKeeper, Shard, fair_share
from tests.unit.services.streaming.fakes import MemoryLeases


class Served:
    def __init__(self) -> None:
        self.shards: Mapping[Shard, int] = {}

    async def __call__(self, owned: Mapping[Shard, int]) -> None:
        self.shards = dict(owned)


def a_replica(table: MemoryLeases, owner: str, partitions: int = 4) -> tuple[LeaseKeeper, Served]:
    served = Served()
    keeper = LeaseKeeper(
        table=table, owner=owner, brokers=["one"], partitions=partitions, on_change=served
    )
    return keeper, served


@pytest.mark.parametrize("partitions", [1, 4, 32])
@pytest.mark.parametrize("replicas", [1, 2, 3, 5])
def test_shares_together_are_all_shards_and_nobody_has_more_than_the_ceiling(
    partitions: int, replicas: int
) -> None:
    live = [f"replica-{number}" for number in range(replicas)]

    shares = [fair_share(owner, live, partitions, "one") for owner in live]

    assert sum(shares) == partitions
    assert max(shares) <= -(-partitions // replicas)
    assert max(shares) - min(shares) <= 1


async def test_one_replica_takes_every_shard() -> None:
    table = MemoryLeases()
    keeper, served = a_replica(table, "a")

    await keeper.step()

    assert set(served.shards) == {("one", number) for number in range(4)}


async def test_a_second_replica_is_given_its_half() -> None:
    table = MemoryLeases()
    first, served_first = a_replica(table, "a")
    second, served_second = a_replica(table, "b")

    await first.step()
    for _ in range(3):
        table.now_s += 2
        await second.step()
        await first.step()
    table.now_s += 2
    await second.step()

    assert Counter(table.owners().values()) == {"a": 2, "b": 2}
    assert not set(served_first.shards) & set(served_second.shards)


async def test_shards_of_a_dead_replica_are_taken_over_once_its_leases_end() -> None:
    table = MemoryLeases()
    dead, _ = a_replica(table, "a")
    living, served = a_replica(table, "b")
    await dead.step()

    for _ in range(4):
        table.now_s += 2
        await living.step()

    assert len(served.shards) == 4
    assert set(served.shards.values()) == {2}


async def test_a_clean_stop_leaves_shards_to_others_at_once() -> None:
    table = MemoryLeases()
    leaving, _ = a_replica(table, "a")
    staying, served = a_replica(table, "b")
    await leaving.step()

    await leaving.leave()
    await staying.step()

    assert len(served.shards) == 4


async def test_a_lease_that_another_took_is_no_longer_served() -> None:
    table = MemoryLeases()
    keeper, served = a_replica(table, "a")
    await keeper.step()

    table.leases["one", 2] = ("b", 2, table.now_s + 100)
    await keeper.step()

    assert ("one", 2) not in served.shards


async def test_a_lease_that_ended_unnoticed_but_is_nobodys_goes_on() -> None:
    table = MemoryLeases()
    keeper, served = a_replica(table, "a")
    await keeper.step()

    table.now_s += 60
    await keeper.step()

    assert set(served.shards.values()) == {1}
