"""Signals that Kafka did not bring are read from Postgres; shards that nobody serves are taken."""

from dataclasses import dataclass

import pytest

from libs.trading.signals import SignalAction
from services.executor.leases import Leases
from services.executor.watching import Recently
from services.executor.without_kafka import WithoutKafka
from tests.integration.executor.conftest import running
from tests.integration.executor.world import World, partitions
from tests.servers import PARTITIONS


@dataclass
class KafkaOrNot:
    answers: bool = True

    async def ready(self) -> bool:
        return self.answers


@pytest.fixture
def kafka() -> KafkaOrNot:
    return KafkaOrNot()


def going_on(world: World, kafka: KafkaOrNot, away_after_s: float = 0.0) -> WithoutKafka:
    work = world.replica.work
    return WithoutKafka(
        bus_ready=kafka.ready,
        emitted=world.replica.repository,
        followers=work.followers,
        shards=world.replica.shards,
        plan=work.plan,
        refilled=Recently(),
        away_after_s=away_after_s,
    )


async def away(without: WithoutKafka, kafka: KafkaOrNot) -> None:
    kafka.answers = False
    await without.ask()
    await without.ask()
    assert without.away() is not None


async def test_signals_are_read_and_planned_once_while_kafka_is_away(
    world: World, kafka: KafkaOrNot
) -> None:
    await world.a_follower()
    async with running(world.replica):
        without = going_on(world, kafka)
        await world.emit_and_hear()
        await away(without, kafka)
        signal = await world.emit()
        await without.read()
        await without.read()
        await world.hear(signal)
        await world.until("ACKED", "ACKED")

    assert len(world.broker.arrivals) == 2
    assert without.refilled.stands() == {"records": str(PARTITIONS)}


async def test_the_first_signal_of_a_master_is_read_too_and_a_cancel_of_long_ago(
    world: World, kafka: KafkaOrNot
) -> None:
    await world.a_follower()
    async with running(world.replica):
        without = going_on(world, kafka)
        await away(without, kafka)
        first = await world.emit()
        await without.read()
        await world.until("ACKED")
        await world.emit(
            action=SignalAction.CANCEL,
            parent_signal_id=first.signal_id,
            side=None,
            product=None,
            terms=None,
        )
        await world.owner.execute(
            "UPDATE signal.signals SET accepted_at = accepted_at - interval '3 hours' WHERE seq = 2"
        )
        await without.read()
        await world.until("CANCELLED")


async def test_a_record_that_a_healthy_bus_lost_is_planned_after_a_moment(
    world: World, kafka: KafkaOrNot
) -> None:
    await world.a_follower()
    async with running(world.replica):
        without = going_on(world, kafka)
        await without.ask()
        signal = await world.emit()
        await world.owner.execute(
            """UPDATE signal.signals SET accepted_at = clock_timestamp() - interval '3 seconds'
            WHERE signal_id = $1""",
            signal.signal_id,
        )
        young = await world.emit()
        await world.owner.execute(
            "UPDATE signal.signals SET accepted_at = clock_timestamp() WHERE signal_id = $1",
            young.signal_id,
        )
        await without.read()
        await world.until("ACKED")

    assert without.away() is None


async def test_a_master_nobody_here_follows_is_not_read(world: World, kafka: KafkaOrNot) -> None:
    async with running(world.replica):
        without = going_on(world, kafka)
        await away(without, kafka)
        await world.emit()
        await without.read()

    assert without.refilled.stands() is None


async def test_free_shards_are_taken_without_kafka_and_given_back_when_it_assigns(
    world: World, kafka: KafkaOrNot
) -> None:
    shards = world.replica.shards
    other = Leases(world.owner, shards.leases.broker, "other", 60)
    async with running(world.replica):
        await shards.on_partitions_revoked([p for p in partitions() if p.partition in {2, 3}])
        await other.acquire([3])
        without = going_on(world, kafka)
        await away(without, kafka)
        await without.read()
        assert shards.assigned == {0, 1, 2}

        await shards.on_partitions_assigned([p for p in partitions() if p.partition in {0, 1}])

        assert shards.assigned == {0, 1}
        assert (await other.acquire([2])).keys() == {2}


async def test_a_healthy_bus_has_nothing_read_that_all_shards_have_planned(world: World) -> None:
    await world.a_follower()
    async with running(world.replica):
        shards = world.replica.shards.mine()
        await world.emit_and_hear()
        await world.until("ACKED")
        lost = await world.emit()
        await world.owner.execute(
            "UPDATE signal.signals SET accepted_at = clock_timestamp() - interval '3 seconds'"
        )
        repository = world.replica.repository
        found = await repository.accepted_lately(shards, within_s=60, before_s=2)
        await world.owner.execute("DELETE FROM executor.planned_seqs WHERE shard = $1", shards[0])
        with_a_new_shard = await repository.accepted_lately(shards, within_s=60, before_s=2)

    assert [signal.seq for signal in found] == [lost.seq]
    assert [signal.seq for signal in with_a_new_shard] == [1, lost.seq]
