"""Updates reach the right partition, and what the bus lost is read from the book again."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field

import pytest

from libs.contracts import codec, topics
from libs.runtime.bus import BusUnavailable, NotPublishable
from libs.runtime.outbox import OutboxMessage
from libs.trading.shards import shard_of
from services.streaming import updates as updates_module
from services.streaming.updates import BusUpdates
from tests.factories import a_broker_update
from tests.unit.services.streaming.fakes import so


@dataclass
class BusThatComesAndGoes:
    here: bool = True
    taken: list[OutboxMessage] = field(default_factory=list)
    asked: int = 0

    async def publish_many(self, messages: Sequence[OutboxMessage]) -> None:
        self.asked += 1
        await asyncio.sleep(0)
        if not self.here:
            raise BusUnavailable("away")
        self.taken += messages


class BusThatRefusesTheFirst(BusThatComesAndGoes):
    async def publish_many(self, messages: Sequence[OutboxMessage]) -> None:
        self.taken += messages[1:]
        raise NotPublishable({0: "too large"})


@dataclass
class Rereads:
    asked: list[frozenset[str]] = field(default_factory=list)

    def __call__(self, account_ids: frozenset[str]) -> None:
        self.asked.append(account_ids)


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(updates_module, "reconnect_delay_s", lambda failures: 0.0)


async def stopped(task: asyncio.Task[None]) -> None:
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


async def test_an_update_goes_to_the_shard_of_its_account_under_its_key() -> None:
    bus = BusThatComesAndGoes()
    line = BusUpdates(publisher=bus, partitions=4, reread=Rereads())
    update = a_broker_update(account_id="account-7")

    line.offer(update)
    task = asyncio.create_task(line.run())
    await so(lambda: bus.taken)
    await stopped(task)

    [message] = bus.taken
    assert message.topic == topics.BROKER_UPDATES
    assert message.key == "account-7"
    assert message.partitions == (shard_of("account-7", 4),)
    assert codec.decode(message.topic, message.payload) == update


async def test_while_the_bus_is_away_nothing_piles_up_and_every_account_is_read_again() -> None:
    bus, rereads = BusThatComesAndGoes(here=False), Rereads()
    line = BusUpdates(publisher=bus, partitions=4, reread=rereads)
    for number in range(3):
        line.offer(a_broker_update(account_id=f"account-{number}"))

    task = asyncio.create_task(line.run())
    await so(lambda: line.away)
    line.offer(a_broker_update(account_id="account-8"))
    await line.hand_over([a_broker_update(account_id="account-9")] * 50_000)
    bus.here = True
    await so(lambda: rereads.asked)
    await stopped(task)

    assert rereads.asked == [
        frozenset({"account-0", "account-1", "account-2", "account-8", "account-9"})
    ]
    assert len(bus.taken) == 3


async def test_a_full_line_loses_no_account() -> None:
    bus, rereads = BusThatComesAndGoes(), Rereads()
    line = BusUpdates(publisher=bus, partitions=4, reread=rereads, waiting_max=1)

    line.offer(a_broker_update(account_id="account-1"))
    line.offer(a_broker_update(account_id="account-2"))
    task = asyncio.create_task(line.run())
    await so(lambda: rereads.asked)
    await stopped(task)

    assert rereads.asked == [frozenset({"account-2"})]


async def test_a_book_waits_for_room_in_the_line() -> None:
    bus = BusThatComesAndGoes()
    line = BusUpdates(publisher=bus, partitions=4, reread=Rereads(), waiting_max=2)

    task = asyncio.create_task(line.run())
    await line.hand_over([a_broker_update()] * 50)
    await so(lambda: len(bus.taken) == 50)
    await stopped(task)


async def test_an_update_the_bus_never_takes_does_not_stop_the_others() -> None:
    bus, rereads = BusThatRefusesTheFirst(), Rereads()
    line = BusUpdates(publisher=bus, partitions=4, reread=rereads)
    line.offer(a_broker_update(account_id="account-1"))
    line.offer(a_broker_update(account_id="account-2"))

    task = asyncio.create_task(line.run())
    await so(lambda: bus.taken)
    await stopped(task)

    assert [message.key for message in bus.taken] == ["account-2"]
    assert rereads.asked == []
