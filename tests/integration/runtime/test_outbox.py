import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import asyncpg
import pytest
from prometheus_client import REGISTRY

from libs.runtime.outbox import (
    BusUnavailable,
    NotPublishable,
    OutboxMessage,
    OutboxRelay,
    enqueue,
)
from libs.runtime.postgres import UNREACHABLE
from tests.integration.runtime.conftest import SCHEMA


class MemoryBus:
    """Keeps what it is given; `away` refuses all, `never` refuses some payloads for good."""

    def __init__(self) -> None:
        self.published: list[OutboxMessage] = []
        self.away = False
        self.never: set[bytes] = set()
        self.asked = 0
        self.slow_s = 0.0

    async def publish_many(self, messages: Sequence[OutboxMessage]) -> None:
        self.asked += 1
        await asyncio.sleep(self.slow_s)
        if self.away:
            raise BusUnavailable("away")
        refused = {at: "too large" for at, m in enumerate(messages) if m.payload in self.never}
        self.published += [m for at, m in enumerate(messages) if at not in refused]
        if refused:
            raise NotPublishable(refused)

    @property
    def payloads(self) -> list[bytes]:
        return [message.payload for message in self.published]


def a_message(text: str = "x", **changes: object) -> OutboxMessage:
    fields: dict[str, object] = {
        "topic": "signals.v1",
        "key": "master-1",
        "partitions": (0, 1, 2, 3),
        "payload": text.encode(),
        "headers": {"signal_id": "s-1"},
    }
    return OutboxMessage(**{**fields, **changes})  # type: ignore[arg-type]  # spelled above


async def commit(pool: asyncpg.Pool, *messages: OutboxMessage) -> list[int]:
    async with pool.acquire() as connection, connection.transaction():
        return await enqueue(connection, SCHEMA, messages)


async def commit_in_the_end(pool: asyncpg.Pool, message: OutboxMessage) -> None:
    """Commit although connections end in the very moment they are used; perhaps twice."""
    while True:
        try:
            await commit(pool, message)
        except UNREACHABLE:
            continue
        return


async def waiting(pool: asyncpg.Pool) -> int:
    return int(await pool.fetchval("select count(*) from probe.outbox"))


@asynccontextmanager
async def running(*relays: OutboxRelay) -> AsyncIterator[None]:
    tasks = [asyncio.create_task(relay.run()) for relay in relays]
    try:
        yield
        assert not any(task.done() for task in tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)


async def until_empty(pool: asyncpg.Pool, timeout_s: float = 10) -> None:
    async with asyncio.timeout(timeout_s):
        while await waiting(pool):  # noqa: ASYNC110  # The table has no event to wait for.
            await asyncio.sleep(0.01)


async def test_a_message_comes_out_as_it_went_in(pool: asyncpg.Pool) -> None:
    bus = MemoryBus()
    sent = [a_message("a"), a_message("b", partitions=(7,), headers={}), a_message("", key="ü")]
    ids = await commit(pool, *sent)

    async with running(OutboxRelay(pool, SCHEMA, bus)):
        await until_empty(pool)

    assert bus.published == sent
    assert ids == sorted(ids)
    assert await waiting(pool) == 0


async def test_what_was_committed_just_now_is_said_from_memory_and_forgotten(
    pool: asyncpg.Pool,
) -> None:
    bus = MemoryBus()
    sent = [a_message("a"), a_message("b")]
    ids = await commit(pool, *sent)

    assert await OutboxRelay(pool, SCHEMA, bus).publish_fresh(list(zip(ids, sent, strict=True)))

    assert bus.published == sent
    assert await waiting(pool) == 0


async def test_a_relay_leaves_fresh_rows_to_whoever_committed_them(pool: asyncpg.Pool) -> None:
    bus = MemoryBus()
    await commit(pool, a_message())

    async with running(OutboxRelay(pool, SCHEMA, bus, poll_s=0.02, grace_s=0.5)):
        await asyncio.sleep(0.2)
        early = list(bus.published)
        await until_empty(pool)

    assert early == []
    assert len(bus.published) == 1


async def test_what_was_rolled_back_is_never_said(pool: asyncpg.Pool) -> None:
    bus = MemoryBus()
    connection = await pool.acquire()
    transaction = connection.transaction()
    await transaction.start()
    await enqueue(connection, SCHEMA, [a_message()])
    async with running(OutboxRelay(pool, SCHEMA, bus, poll_s=0.02)):
        await asyncio.sleep(0.2)
        await transaction.rollback()
        await pool.release(connection)
        await asyncio.sleep(0.1)

    assert bus.published == []
    assert await waiting(pool) == 0


async def test_the_relay_publishes_in_order_and_wakes_at_once(pool: asyncpg.Pool) -> None:
    bus = MemoryBus()
    relay = OutboxRelay(pool, SCHEMA, bus, poll_s=30, batch=10)
    await commit(pool, *[a_message(str(number)) for number in range(25)])
    # An update moves a row to the end of the heap: order comes from the id alone.
    await pool.execute("update probe.outbox set key = key where payload < '3'")

    async with running(relay):
        await until_empty(pool)
        await asyncio.sleep(0.1)  # It rests now, for thirty seconds if nobody wakes it.
        await commit(pool, a_message("25"))
        relay.wake()
        await until_empty(pool, timeout_s=2)

    assert bus.payloads == [str(number).encode() for number in range(26)]


async def test_nothing_to_say_is_said_for_free(pool: asyncpg.Pool) -> None:
    bus = MemoryBus()

    assert await commit(pool) == []
    assert await OutboxRelay(pool, SCHEMA, bus).publish_fresh([])
    assert bus.asked == 0


async def test_three_relays_publish_each_row_once(pool: asyncpg.Pool) -> None:
    bus = MemoryBus()
    bus.slow_s = 0.01
    texts = [str(number) for number in range(200)]
    await commit(pool, *map(a_message, texts))
    relays = [OutboxRelay(pool, SCHEMA, bus, batch=7, poll_s=0.02) for _ in range(3)]

    async with running(*relays):
        await until_empty(pool)

    assert Counter(bus.payloads) == Counter(text.encode() for text in texts)


async def test_rows_wait_for_a_bus_that_is_away_and_go_out_when_it_is_back(
    pool: asyncpg.Pool,
) -> None:
    bus = MemoryBus()
    bus.away = True
    relay = OutboxRelay(pool, SCHEMA, bus, poll_s=0.02)
    sent = [a_message("a"), a_message("b")]
    ids = await commit(pool, *sent)

    assert not await relay.publish_fresh(list(zip(ids, sent, strict=True)))
    async with running(relay):
        await asyncio.sleep(0.7)
        assert await waiting(pool) == 2
        assert bus.asked <= 5  # It backs off.
        bus.away = False
        await until_empty(pool)

    assert bus.payloads == [b"a", b"b"]


async def test_a_relay_survives_the_loss_of_its_connections(pool: asyncpg.Pool) -> None:
    bus = MemoryBus()
    relay = OutboxRelay(pool, SCHEMA, bus, poll_s=0.02)

    async with running(relay):
        for number in range(5):
            await commit_in_the_end(pool, a_message(str(number)))
            await pool.execute(
                "select pg_terminate_backend(pid) from pg_stat_activity"
                " where datname = current_database() and pid <> pg_backend_pid()"
            )
        await until_empty(pool)

    assert set(bus.payloads) == {str(number).encode() for number in range(5)}


async def test_a_message_the_bus_never_takes_stands_aside_and_stops_no_other(
    pool: asyncpg.Pool,
) -> None:
    bus = MemoryBus()
    bus.never = {b"huge"}
    relay = OutboxRelay(pool, SCHEMA, bus, poll_s=0.02, batch=2)
    await commit(pool, a_message("huge"), a_message("a"), a_message("b"), a_message("c"))

    async with running(relay):
        async with asyncio.timeout(10):
            while len(bus.published) < 3:  # noqa: ASYNC110  # as above
                await asyncio.sleep(0.01)
        await asyncio.sleep(0.1)

    assert bus.payloads == [b"a", b"b", b"c"]
    assert await pool.fetchval("select payload from probe.outbox") == b"huge"


async def test_the_grace_leaves_young_rows_to_whoever_wrote_them(pool: asyncpg.Pool) -> None:
    bus = MemoryBus()
    relay = OutboxRelay(pool, SCHEMA, bus, grace_s=0.5, poll_s=0.02)

    async with running(relay):
        await commit(pool, a_message("young"))
        await asyncio.sleep(0.2)
        assert bus.published == []
        await until_empty(pool)

    assert bus.payloads == [b"young"]


async def test_rows_and_their_age_are_figures(pool: asyncpg.Pool) -> None:
    bus = MemoryBus()
    await commit(pool, a_message(), a_message())
    await pool.execute("update probe.outbox set created_at = created_at - interval '1 minute'")

    async with running(OutboxRelay(pool, SCHEMA, bus, grace_s=3600, poll_s=0.02)):
        await asyncio.sleep(0.3)

    labels = {"schema": SCHEMA}
    assert REGISTRY.get_sample_value("lockstep_outbox_rows", labels) == 2
    assert (REGISTRY.get_sample_value("lockstep_outbox_oldest_seconds", labels) or 0) >= 60


@pytest.mark.parametrize("count", [1, 1_000])
async def test_a_batch_of_any_size_is_one_statement(pool: asyncpg.Pool, count: int) -> None:
    ids = await commit(pool, *[a_message(str(number)) for number in range(count)])

    stored = await pool.fetch("select id, payload from probe.outbox order by id")

    assert [(row["id"], row["payload"]) for row in stored] == [
        (its_id, str(number).encode()) for number, its_id in enumerate(ids)
    ]
