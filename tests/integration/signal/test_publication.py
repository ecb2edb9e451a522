"""Published at once, off the reply's path; what a crash leaves behind, the relay carries on."""

import asyncio
import time
from collections.abc import Sequence

import psycopg

from libs.runtime.bus import Publisher, open_bus
from libs.runtime.outbox import BusUnavailable, OutboxMessage
from tests.integration.signal.running import listening, running_service, settings_for
from tests.servers import Database, Servers


class BusThatIsGone:
    """As after a crash between commit and publication: nothing of it ever arrives."""

    async def publish_many(self, messages: Sequence[OutboxMessage]) -> None:
        raise BusUnavailable("gone")


class BusThatHangs:
    async def publish_many(self, messages: Sequence[OutboxMessage]) -> None:
        await asyncio.Event().wait()


class BusThatLosesItsAnswer:
    """Publishes, then dies before it can say so, the first time."""

    def __init__(self, publisher: Publisher) -> None:
        self.calls = 0
        self._publisher = publisher

    async def publish_many(self, messages: Sequence[OutboxMessage]) -> None:
        await self._publisher.publish_many(messages)
        self.calls += 1
        if self.calls == 1:
            raise BusUnavailable("no answer")


def outbox_rows(database: Database) -> int:
    with psycopg.connect(database.owner_dsn) as owner:
        row = owner.execute("select count(*) from signal.outbox").fetchone()
    assert row is not None
    return int(row[0])


async def empty_outbox(database: Database) -> None:
    async with asyncio.timeout(30):
        while outbox_rows(database):  # noqa: ASYNC110  # Another process' rows raise no event.
            await asyncio.sleep(0.05)


async def test_a_signal_leaves_at_once_and_not_with_the_next_poll(
    servers: Servers, database: Database, kafka_topics: int
) -> None:
    rounds = 10
    async with running_service(servers, database) as service:
        master, strategy_id = await service.master()
        async with listening(servers, master.user_id) as listener:
            started = time.monotonic()
            for done in range(1, rounds + 1):
                await master.emit(strategy_id)
                await listener.wait_for(done * kafka_topics)
            took_s = time.monotonic() - started
        await empty_outbox(database)

    # The relay looks once a second, and each round here begins just after it looked.
    assert took_s < rounds * 0.9


async def test_the_reply_does_not_wait_for_the_bus(
    servers: Servers, database: Database, kafka_topics: int
) -> None:
    async with running_service(servers, database, publisher=BusThatHangs()) as service:
        master, strategy_id = await service.master()

        async with asyncio.timeout(30):
            answers = await asyncio.gather(*(master.emit(strategy_id) for _ in range(20)))

    assert {answer.status_code for answer in answers} == {202}
    assert outbox_rows(database) == 20


async def test_the_relay_of_the_next_process_covers_a_crash_after_commit(
    servers: Servers, database: Database, kafka_topics: int
) -> None:
    async with running_service(servers, database, publisher=BusThatIsGone()) as crashed:
        master, strategy_id = await crashed.master()
        answers = [await master.emit(strategy_id) for _ in range(3)]
    left = outbox_rows(database)

    async with (
        listening(servers, master.user_id) as listener,
        running_service(servers, database),
    ):
        await listener.wait_for(3 * kafka_topics)
        await empty_outbox(database)

    assert [answer.status_code for answer in answers] == [202] * 3
    assert left == 3
    signal_ids = [answer.json()["signal_id"] for answer in answers]
    for partition in range(kafka_topics):
        assert [signal.signal_id for signal in listener.signals(partition)] == signal_ids


async def test_a_lost_confirmation_repeats_records_never_signals(
    servers: Servers, database: Database, kafka_topics: int
) -> None:
    bus = open_bus(settings_for(servers, database.dsn("signal")), client_id="test")
    await bus.start()
    publisher = BusThatLosesItsAnswer(Publisher(bus))
    try:
        async with running_service(servers, database, publisher=publisher) as service:
            master, strategy_id = await service.master()
            async with listening(servers, master.user_id) as listener:
                answer = await master.emit(strategy_id)
                await listener.wait_for(2 * kafka_topics)
            await empty_outbox(database)
    finally:
        await bus.stop()

    signal_ids = {signal.signal_id for at in range(kafka_topics) for signal in listener.signals(at)}
    assert signal_ids == {answer.json()["signal_id"]}
