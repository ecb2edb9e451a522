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


def start(publication: Publication, fresh: Sequence[Fresh], master: str = "m") -> None:
    with publication.line(master) as queue:
        queue(fresh)


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

    start(publication, rows(1))
    await turns()
    start(publication, rows(2))
    start(publication, rows(3, 4))
    await turns()
    before = list(bus.batches)
    bus.confirmed.set()
    await publication.drain()

    assert before == [[1]]
    assert bus.batches == [[1], [2, 3, 4]]


async def test_starting_never_waits_for_the_bus() -> None:
    publication = Publication(BusThatIsSlow().publish)

    start(publication, rows(1))  # Nothing runs yet: a reply would be on its way.


async def test_what_the_bus_refuses_is_left_to_the_relay(
    running: list[asyncio.Task[None]],
) -> None:
    bus = BusThatIsAway()
    publication = Publication(bus.publish)
    running.append(asyncio.create_task(publication.run()))

    start(publication, rows(1))
    await publication.drain()
    start(publication, rows(2))
    await publication.drain()

    assert bus.batches == [[1], [2]]


async def test_no_outage_fills_the_memory(running: list[asyncio.Task[None]]) -> None:
    bus = BusThatIsSlow()
    publication = Publication(bus.publish)

    for row in range(100_000):
        start(publication, rows(row))
    running.append(asyncio.create_task(publication.run()))
    bus.confirmed.set()
    await publication.drain()

    assert sum(len(batch) for batch in bus.batches) == 5_000
    assert max(len(batch) for batch in bus.batches) <= 500


async def test_rows_leave_in_the_order_of_the_lock_whoever_hears_of_a_commit_first(
    running: list[asyncio.Task[None]],
) -> None:
    bus = BusThatIsSlow()
    bus.confirmed.set()
    publication = Publication(bus.publish)
    running.append(asyncio.create_task(publication.run()))

    with publication.line("m") as queue:
        queue(rows(1))
        start(publication, rows(2))
        start(publication, rows(8), master="another")
        await turns()
        before = list(bus.batches)
    await turns()

    assert before == [[8]]
    assert bus.batches == [[8], [1, 2]]


async def test_what_was_not_committed_never_leaves(running: list[asyncio.Task[None]]) -> None:
    bus = BusThatIsSlow()
    bus.confirmed.set()
    publication = Publication(bus.publish)
    running.append(asyncio.create_task(publication.run()))

    def fail_to_commit() -> None:
        with publication.line("m") as queue:
            queue(rows(1))
            raise ConnectionError

    with pytest.raises(ConnectionError):
        fail_to_commit()
    start(publication, rows(2))
    await turns()

    assert bus.batches == [[2]]
