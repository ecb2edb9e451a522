"""The reader of order events: nothing is lost, nobody waits for it, it ends when told."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import pytest
from uuid_utils import uuid7

from libs.contracts import codec, topics
from libs.runtime.outbox import OutboxMessage
from libs.trading.events import OrderChanged
from services.signal.report_events import OrderNews, PublishedSignal
from services.signal.report_forgetting import ROWS_MAX, forget_old
from services.signal.report_reader import RECORDS_MAX, ReportReader, is_behind, rest_s
from tests.factories import NOON, a_signal, an_order_changed
from tests.unit.services.signal.test_report_events import UUIDS


@dataclass
class StorageInMemory:
    failures: int = 0
    orders: list[OrderNews] = field(default_factory=list)
    signals: list[PublishedSignal] = field(default_factory=list)
    dead: list[OutboxMessage] = field(default_factory=list)

    async def keep(
        self,
        orders: Sequence[OrderNews],
        signals: Sequence[PublishedSignal],
        dead: Sequence[OutboxMessage],
    ) -> None:
        if self.failures:
            self.failures -= 1
            raise ConnectionRefusedError("no ledger")
        self.orders += orders
        self.signals += signals
        self.dead += dead


@dataclass
class RecordOfKafka:
    topic: str
    value: bytes | None
    partition: int = 0
    offset: int = 0
    timestamp: int = int(NOON.timestamp() * 1000)
    key: bytes | None = None
    headers: tuple[tuple[str, bytes], ...] = ()


def an_event(**changes: object) -> OrderChanged:
    return an_order_changed(**{**UUIDS, **changes})


def event_record(**changes: object) -> RecordOfKafka:
    return RecordOfKafka(topics.ORDER_EVENTS, codec.encode(an_event(**changes)))


def signal_record(partition: int = 0) -> RecordOfKafka:
    signal = a_signal(master_id=UUIDS["master_id"], strategy_id=UUIDS["strategy_id"])
    return RecordOfKafka(topics.SIGNALS, codec.encode(signal), partition)


async def test_a_signal_is_stamped_by_the_bus_and_read_from_one_partition() -> None:
    storage = StorageInMemory()

    assert await ReportReader(storage).take([signal_record(at) for at in range(4)])

    assert [read.published_at for read in storage.signals] == [NOON]


async def test_what_nobody_can_read_goes_to_the_dead_letters_and_the_rest_is_kept() -> None:
    storage = StorageInMemory()
    broken = RecordOfKafka(topics.ORDER_EVENTS, b"\xff\xff")

    await ReportReader(storage).take(
        [broken, event_record(user_id="me", version=2), event_record()]
    )

    assert len(storage.orders) == 1
    assert [letter.topic for letter in storage.dead] == [topics.DEAD_LETTERS] * 2


async def test_an_unreadable_signal_is_left_to_the_executors() -> None:
    storage = StorageInMemory()

    assert await ReportReader(storage).take([RecordOfKafka(topics.SIGNALS, b"\xff\xff")])

    assert storage.dead == []


async def test_a_ledger_that_is_away_is_waited_for() -> None:
    storage = StorageInMemory(failures=1)

    assert await ReportReader(storage).take([event_record()])

    assert len(storage.orders) == 1


async def test_a_closing_reader_waits_for_nothing_and_says_that_it_kept_nothing() -> None:
    reader = ReportReader(StorageInMemory(failures=1_000))
    taking = asyncio.create_task(reader.take([event_record()]))
    await asyncio.sleep(0)

    reader.close()

    async with asyncio.timeout(1):
        assert await taking is False


async def test_many_orders_let_others_have_their_turn() -> None:
    turns = 0

    async def other() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    task = asyncio.create_task(other())
    await ReportReader(StorageInMemory()).take(
        [event_record(order_id=str(uuid7())) for _ in range(400)]
    )
    task.cancel()

    assert turns >= 10


def test_a_reader_that_is_behind_leaves_the_machine_half_of_the_time() -> None:
    assert rest_s(0.05, lively=False) == 0.05


def test_a_reader_that_is_behind_leaves_most_of_the_time_to_signals() -> None:
    assert rest_s(0.05, lively=True) == pytest.approx(0.15)


@pytest.mark.parametrize(
    ("records", "age_s", "behind"),
    [(1, 0, False), (100, 2.5, False), (100, 60, True), (RECORDS_MAX, 0, True)],
)
def test_what_is_old_or_a_whole_batch_was_waiting(records: int, age_s: float, behind: bool) -> None:
    assert is_behind([event_record()] * records, NOON.timestamp() + age_s) is behind


@dataclass
class BusThatHas:
    """Hands out what came meanwhile, one gathering after the other."""

    gatherings: list[int]
    asked: list[int] = field(default_factory=list)

    async def __call__(self, most: int) -> list[RecordOfKafka]:
        self.asked.append(most)
        return [fresh_record()] * min(self.gatherings.pop(0), most)


def fresh_record() -> RecordOfKafka:
    """Make a record that is never old, however long the test takes."""
    return replace(event_record(), timestamp=2**43)


def old_record() -> RecordOfKafka:
    return replace(event_record(), timestamp=1)


@pytest.mark.parametrize(
    ("gatherings", "asked", "together"),
    [
        ([0, 999], 1, 10),
        ([30, 999], 1, 40),
        # A signal fans out: once more, and no third time.
        ([900, 1_100, 999], 2, 2_010),
        ([RECORDS_MAX, 999], 1, RECORDS_MAX),
    ],
)
async def test_a_batch_is_what_gathered_and_is_bounded(
    gatherings: list[int], asked: int, together: int
) -> None:
    reader, bus = ReportReader(StorageInMemory()), BusThatHas(gatherings)
    reader.close()  # So that it waits for nothing.

    records = await reader.gather([fresh_record()] * 10, bus)

    assert (len(bus.asked), len(records)) == (asked, together)


async def test_a_reader_that_is_behind_gathers_nothing() -> None:
    bus = BusThatHas([999])

    assert await ReportReader(StorageInMemory()).gather([old_record()], bus) == [old_record()]
    assert bus.asked == []


async def test_a_closing_reader_neither_gathers_nor_rests() -> None:
    reader = ReportReader(StorageInMemory())
    reader.close()

    async with asyncio.timeout(30):
        await reader.gather([fresh_record()], BusThatHas([0]))
        await reader.rest([old_record()], 3_600)


async def test_old_rows_are_deleted_a_little_at_a_time_whatever_fails() -> None:
    class ThreeLooksOfOldRows:
        def __init__(self) -> None:
            self.answers: list[int | Exception] = [ROWS_MAX, OSError("away"), 7, 0]
            self.done = asyncio.Event()

        async def forget(self, *, rows_max: int) -> int:
            assert rows_max == ROWS_MAX
            answer = self.answers.pop(0)
            if not self.answers:
                self.done.set()
            if isinstance(answer, Exception):
                raise answer
            return answer

    storage = ThreeLooksOfOldRows()
    task = asyncio.create_task(forget_old(storage, every_s=0.01, between_s=0))
    async with asyncio.timeout(5):
        await storage.done.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
