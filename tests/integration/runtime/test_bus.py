import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any, cast
from uuid import uuid4

import asyncpg
import pytest
from aiokafka import AIOKafkaConsumer
from aiokafka.errors import KafkaError

from libs.runtime.bus import (
    SUBSCRIBE,
    BusUnavailable,
    KafkaLink,
    NotPublishable,
    PartitionsDiffer,
    Publisher,
    TopicReader,
    check_partitions,
    open_bus,
)
from libs.runtime.outbox import OutboxMessage
from libs.runtime.settings import KafkaSettings
from tests.servers import Servers

TOPIC = "signals.v1"
NOBODY = "127.0.0.1:1"


def settings(servers: str) -> KafkaSettings:
    return KafkaSettings(kafka_bootstrap_servers=servers)


@pytest.fixture
def kafka(servers: Servers, kafka_topics: int) -> str:
    assert kafka_topics == 4
    return servers.kafka_bootstrap_servers


async def read_mine(reader: TopicReader, mine: str, count: int) -> list[Any]:
    """Read records of this test alone: others use the same topics."""
    found: list[Any] = []
    async with asyncio.timeout(20):
        async for batch in reader.batches():
            found += [record for record in batch if record.key == mine.encode()]
            if len(found) >= count:
                break
    return found


async def test_what_is_published_stands_under_its_key_in_its_partition(kafka: str) -> None:
    mine = str(uuid4())
    bus = open_bus(settings(kafka), client_id="test")
    reader = TopicReader(kafka, [TOPIC, "order-events.v1"])
    await reader.start()
    async with KafkaLink(bus) as link:
        await link.wait_started()
        publisher = Publisher(bus)
        await publisher.publish(
            TOPIC, key=mine, partition=2, payload=b"one", headers={"signal_id": "s-ü"}
        )
        await publisher.publish_many(
            [
                OutboxMessage(topic=TOPIC, key=mine, partitions=(0, 1, 2, 3), payload=b"all"),
                OutboxMessage(topic="order-events.v1", key=mine, partitions=(3,), payload=b""),
            ]
        )
        records = await read_mine(reader, mine, 6)
        assert await link.ready()
    await reader.stop()

    assert sorted((record.topic, record.partition, record.value) for record in records) == [
        ("order-events.v1", 3, b""),
        (TOPIC, 0, b"all"),
        (TOPIC, 1, b"all"),
        (TOPIC, 2, b"all"),
        (TOPIC, 2, b"one"),
        (TOPIC, 3, b"all"),
    ]
    (one,) = [record for record in records if record.value == b"one"]
    assert dict(one.headers)["signal_id"] == "s-ü".encode()


async def test_a_reader_sees_what_comes_after_its_start_and_nothing_older(kafka: str) -> None:
    mine = str(uuid4())
    bus = open_bus(settings(kafka), client_id="test")
    async with KafkaLink(bus) as link:
        await link.wait_started()
        publisher = Publisher(bus)
        await publisher.publish(TOPIC, key=mine, partition=0, payload=b"before")
        reader = TopicReader(kafka, [TOPIC])
        await reader.start()
        assert reader.ready
        for partition in range(4):
            await publisher.publish(TOPIC, key=mine, partition=partition, payload=b"after")
        records = await read_mine(reader, mine, 4)
        await reader.stop()

    assert [record.value for record in records] == [b"after"] * 4
    assert not reader.ready


async def test_a_message_no_broker_takes_is_named_and_the_others_stand(kafka: str) -> None:
    mine = str(uuid4())
    bus = open_bus(settings(kafka), client_id="test")
    reader = TopicReader(kafka, [TOPIC])
    await reader.start()
    messages = [
        OutboxMessage(topic=TOPIC, key=mine, partitions=(0,), payload=b"a"),
        OutboxMessage(topic=TOPIC, key=mine, partitions=(0,), payload=b"x" * 3_000_000),
        OutboxMessage(topic=TOPIC, key=mine, partitions=(99,), payload=b"b"),
        OutboxMessage(topic=TOPIC, key=mine, partitions=(1,), payload=b"c"),
    ]

    async with KafkaLink(bus) as link:
        await link.wait_started()
        with pytest.raises(NotPublishable) as refused:
            await Publisher(bus).publish_many(messages)
        records = await read_mine(reader, mine, 2)
    await reader.stop()

    assert set(refused.value.reasons) == {1, 2}
    assert sorted(record.value for record in records) == [b"a", b"c"]


async def test_a_topic_that_is_not_there_is_waited_for_within_the_bound(kafka: str) -> None:
    bus = open_bus(settings(kafka), client_id="test")
    async with KafkaLink(bus) as link:
        await link.wait_started()
        started = time.monotonic()
        with pytest.raises(BusUnavailable, match=r"within 0\.5 s"):
            await Publisher(bus, timeout_s=0.5).publish(
                "no-such-topic.v1", key="k", partition=0, payload=b""
            )
        took_s = time.monotonic() - started
        await Publisher(bus).publish(TOPIC, key="k", partition=0, payload=b"")

    assert took_s < 10


async def test_what_was_not_acknowledged_comes_again(kafka: str) -> None:
    mine, group = str(uuid4()), f"test.{uuid4()}"
    publishing = open_bus(settings(kafka), client_id="test")
    async with KafkaLink(publishing) as link:
        await link.wait_started()
        for partition in range(4):
            await Publisher(publishing).publish(TOPIC, key=mine, partition=partition, payload=b"x")

    unacknowledged = await consumed(kafka, group, mine, acknowledge=False)
    acknowledged = await consumed(kafka, group, mine, acknowledge=True)
    nothing_left = await consumed(kafka, group, mine, acknowledge=True, enough=1, patience_s=1.5)

    assert (unacknowledged, acknowledged, nothing_left) == (4, 4, 0)


async def consumed(
    kafka: str,
    group: str,
    mine: str,
    *,
    acknowledge: bool,
    enough: int = 4,
    patience_s: float = 40,
) -> int:
    bus = open_bus(settings(kafka), client_id="test")
    seen: list[bytes] = []
    done = asyncio.Event()

    @bus.subscriber(TOPIC, group_id=group, **SUBSCRIBE)  # type: ignore[untyped-decorator]  # options as a dict
    async def on_records(body: list[bytes]) -> None:
        message = bus.context.get_local("message")
        seen.extend(r.value for r in message.raw_message if r.key == mine.encode())
        if acknowledge:
            await message.ack()
        if len(seen) >= enough:
            done.set()

    async with KafkaLink(bus):
        try:
            async with asyncio.timeout(patience_s):
                await done.wait()
        except TimeoutError:
            pass
    return len(seen)


async def test_the_partitions_of_topics_and_installation_are_compared(
    kafka: str, pool: asyncpg.Pool
) -> None:
    assert await check_partitions(kafka, pool, [TOPIC, "order-events.v1"]) == 4

    with pytest.raises(PartitionsDiffer, match=r"has 4 partitions .*notices\.v1 has 1") as differ:
        await check_partitions(kafka, pool, [TOPIC, "notices.v1"])
    assert "\n" not in str(differ.value)


async def test_a_missing_topic_is_waited_for_and_then_named(kafka: str, pool: asyncpg.Pool) -> None:
    with pytest.raises(BusUnavailable, match=r"no topic no-such-topic\.v1 yet"):
        await check_partitions(kafka, pool, [TOPIC, "no-such-topic.v1"], patience_s=0.5)


async def test_a_service_is_up_while_kafka_is_away_and_stops_quickly(
    pool: asyncpg.Pool,
) -> None:
    bus = open_bus(settings(NOBODY), client_id="test")
    started = time.monotonic()
    async with KafkaLink(bus) as link:
        entered_s = time.monotonic() - started
        await asyncio.sleep(0.5)
        assert not link.started
        assert not await link.ready()
        with pytest.raises(BusUnavailable):
            await Publisher(bus).publish(TOPIC, key="k", partition=0, payload=b"")
        with pytest.raises(TimeoutError):
            await link.wait_started(0.1)
    took_s = time.monotonic() - started

    assert entered_s < 10
    assert took_s < 20
    with pytest.raises(BusUnavailable):
        await TopicReader(NOBODY, [TOPIC]).start(patience_s=0.3)
    with pytest.raises(BusUnavailable):
        await check_partitions(NOBODY, pool, [TOPIC], patience_s=0.3)


async def test_differing_partitions_end_the_process_and_nothing_is_consumed(
    kafka: str, pool: asyncpg.Pool
) -> None:
    refused: list[BaseException] = []
    bus = open_bus(settings(kafka), client_id="test")
    prepare: Callable[[], Awaitable[object]] = lambda: check_partitions(  # noqa: E731
        kafka, pool, ["notices.v1"]
    )

    async with KafkaLink(bus, prepare=prepare, refuse=refused.append) as link:
        async with asyncio.timeout(20):
            while not refused:  # noqa: ASYNC110  # A list has no event to wait for.
                await asyncio.sleep(0.02)
        assert not link.started
    assert isinstance(refused[0], PartitionsDiffer)


async def test_a_reader_waits_for_records_instead_of_asking_in_a_circle(kafka: str) -> None:
    mine = str(uuid4())
    bus = open_bus(settings(kafka), client_id="test")
    heard: list[bytes] = []
    asked = 0

    @bus.subscriber(TOPIC, group_id=f"patient-{mine}", **{**SUBSCRIBE, "decoder": None})  # type: ignore[untyped-decorator]
    async def on_records(records: list[bytes]) -> None:
        heard.extend(records)

    async with KafkaLink(bus) as link:
        await link.wait_started()
        [subscriber] = bus.subscribers
        consumer = cast(Any, subscriber).consumer
        getmany = consumer.getmany

        async def counted(**options: Any) -> Any:
            nonlocal asked
            asked += 1
            return await getmany(**options)

        consumer.getmany = counted
        await asyncio.sleep(1.5)
        idle = asked
        await Publisher(bus).publish(TOPIC, key=mine, partition=0, payload=b"now")
        async with asyncio.timeout(10):
            while b"now" not in heard:  # noqa: ASYNC110
                await asyncio.sleep(0.01)

    # Every five milliseconds would be 300 times.
    assert idle < 20


async def test_a_consumer_that_broke_for_good_is_replaced_and_reads_on(
    kafka: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = str(uuid4())
    bus = open_bus(settings(kafka), client_id="test")
    heard: list[bytes] = []
    works = AIOKafkaConsumer.getmany
    readers: list[AIOKafkaConsumer] = []

    async def broken_at_first(self: AIOKafkaConsumer, *partitions: Any, **options: Any) -> Any:
        if self not in readers:
            readers.append(self)
        if self is readers[0]:
            raise KafkaError("Unexpected error during coordination: the handler is closed")
        return await works(self, *partitions, **options)

    @bus.subscriber(TOPIC, group_id=f"broken-{mine}", **{**SUBSCRIBE, "decoder": None})  # type: ignore[untyped-decorator]
    async def on_records(records: list[bytes]) -> None:
        heard.extend(records)

    monkeypatch.setattr(AIOKafkaConsumer, "getmany", broken_at_first)
    async with KafkaLink(bus) as link:
        async with asyncio.timeout(20):
            while len(readers) < 2:  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        await link.wait_started()
        await Publisher(bus).publish(TOPIC, key=mine, partition=0, payload=mine.encode())
        async with asyncio.timeout(20):
            while mine.encode() not in heard:  # noqa: ASYNC110
                await asyncio.sleep(0.05)
