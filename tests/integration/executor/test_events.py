"""Every transition reaches the bus, in order, and none that commits late is skipped."""

import asyncio
from collections.abc import Sequence

from libs.contracts import codec, topics
from libs.runtime.outbox import BusUnavailable, OutboxMessage
from libs.trading.events import OrderChanged
from libs.trading.reasons import SkipReason, figures_of
from services.executor.events import HistoryPublisher
from tests.integration.executor.conftest import running
from tests.integration.executor.world import BROKER, World


class BusThatRemembers:
    """Keeps what is published; refuses while `away`."""

    def __init__(self) -> None:
        self.away = False
        self.events: list[OrderChanged] = []

    async def publish_many(self, messages: Sequence[OutboxMessage]) -> None:
        if self.away:
            raise BusUnavailable("away")
        for message in messages:
            event = codec.decode(topics.ORDER_EVENTS, message.payload)
            assert isinstance(event, OrderChanged)
            self.events.append(event)


def publisher(world: World, bus: BusThatRemembers) -> HistoryPublisher:
    return HistoryPublisher(
        world.replica.repository.pool, bus, BROKER, world.replica.shards.mine, poll_s=0.05
    )


async def publish_all(history: HistoryPublisher) -> int:
    return sum([await history.publish_shard(shard) for shard in range(4)])


async def test_every_transition_is_published_once_and_in_order(world: World) -> None:
    await world.a_follower()
    await world.a_follower()
    bus = BusThatRemembers()
    async with running(world.replica):
        await world.emit_and_hear()
        await world.until("ACKED", "ACKED")
        await publish_all(publisher(world, bus))

    by_order: dict[str, list[tuple[int, str]]] = {}
    for event in bus.events:
        by_order.setdefault(event.order_id, []).append((event.version, event.state.value))
    assert list(by_order.values()) == [[(1, "SENDING"), (2, "ACKED")]] * 2
    assert await publish_all(publisher(world, bus)) == 0


async def test_an_acknowledgement_is_told_as_of_the_answers_arrival(world: World) -> None:
    await world.a_follower()
    bus = BusThatRemembers()
    async with running(world.replica):
        await world.emit_and_hear()
        await world.until("ACKED")
        await publish_all(publisher(world, bus))
    observed = await world.owner.fetchval(
        "SELECT min(received_at) FROM executor.observations WHERE source = 'REPLY'"
    )

    acked = bus.events[-1]
    assert (acked.state, acked.acknowledged_at, acked.filled_at) == ("ACKED", observed, None)


async def test_a_skip_is_told_with_the_figures_behind_it(world: World) -> None:
    follow = await world.a_follower("0.05")
    bus = BusThatRemembers()
    async with running(world.replica):
        await world.emit_and_hear()
        await world.until("SKIPPED/TOO_SMALL")
        await publish_all(publisher(world, bus))
    snapshot = await world.replica.repository.order_snapshot(follow.user_id, after=None, limit=5)

    [event] = bus.events
    assert event.figures.keys() >= figures_of(SkipReason.TOO_SMALL)
    assert event.figures["lot"] == "1"
    assert [order.figures for order in snapshot.orders] == [event.figures]


async def test_a_transaction_that_commits_late_is_not_skipped(world: World) -> None:
    await world.a_follower()
    bus = BusThatRemembers()
    history = publisher(world, bus)
    async with running(world.replica):
        async with world.owner.acquire() as slow, slow.transaction():
            # Takes its transaction id now and commits after the others.
            await slow.execute("SELECT pg_current_xact_id()")
            await world.emit_and_hear()
            await world.until("ACKED")
            assert await publish_all(history) == 0
        assert await publish_all(history) == 2


async def test_nothing_is_forgotten_while_the_bus_is_away(world: World) -> None:
    await world.a_follower()
    bus = BusThatRemembers()
    bus.away = True
    async with running(world.replica):
        publishing = asyncio.create_task(publisher(world, bus).run())
        await world.emit_and_hear()
        await world.until("ACKED")
        bus.away = False
        for _ in range(200):
            if len(bus.events) == 2:
                break
            await asyncio.sleep(0.05)
        publishing.cancel()

    assert [event.state.value for event in bus.events] == ["SENDING", "ACKED"]
