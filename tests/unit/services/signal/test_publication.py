"""How committed rows leave at once."""

import asyncio
from collections.abc import AsyncIterator, Sequence

import pytest

from libs.runtime.outbox import Fresh, OutboxMessage
from services.signal.publication import Publication


class BusThatIsSlow:
    """Confirms only when told to."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.confirmed = asyncio.Event()

    async def publish(self, fresh: Sequence[Fresh]) -> bool:
        self.batches.append([row for row, _ in fresh])
        await self.confirmed.wait()
        return True


class BusThatIsAway:
    def __init__(self) -> None:
        self.batches: list[list[int]] = []

    async def publish(self, fresh: Sequence[Fresh]) -> bool:
        self.batches.append([row for row, _ in fresh])
        return False


@pytest.fixture
async def running() -> AsyncIterator[list[asyncio.Task[None]]]:
    tasks: list[asyncio.Task[None]] = []
    yield tasks
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def rows(*ids: int) -> list[Fresh]:
    message = OutboxMessage(topic="signals.v1", key="m", partitions=(0,), payload=b"x")
    return [(outbox_id, message) for outbox_id in ids]


async def turns(count: int = 5) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


async def test_rows_leave_in_order_and_in_batches_while_the_bus_confirms(
    running: list[asyncio.Task[None]],
) -> None:
    bus = BusThatIsSlow()
    publication = Publication(bus.publish)
    running.append(asyncio.create_task(publication.run()))

    publication.start(rows(1))
    await turns()
    publication.start(rows(2))
    publication.start(rows(3, 4))
    await turns()
    before = list(bus.batches)
    bus.confirmed.set()
    await publication.drain()

    assert before == [[1]]
    assert bus.batches == [[1], [2, 3, 4]]


async def test_starting_never_waits_for_the_bus() -> None:
    publication = Publication(BusThatIsSlow().publish)

    publication.start(rows(1))  # Nothing runs yet: a reply would be on its way.


async def test_what_the_bus_refuses_is_left_to_the_relay(
    running: list[asyncio.Task[None]],
) -> None:
    bus = BusThatIsAway()
    publication = Publication(bus.publish)
    running.append(asyncio.create_task(publication.run()))

    publication.start(rows(1))
    await publication.drain()
    publication.start(rows(2))
    await publication.drain()

    assert bus.batches == [[1], [2]]


async def test_no_outage_fills_the_memory(running: list[asyncio.Task[None]]) -> None:
    bus = BusThatIsSlow()
    publication = Publication(bus.publish)

    for row in range(100_000):
        publication.start(rows(row))
    running.append(asyncio.create_task(publication.run()))
    bus.confirmed.set()
    await publication.drain()

    assert sum(len(batch) for batch in bus.batches) == 5_000
    assert max(len(batch) for batch in bus.batches) <= 500
