import asyncio
from datetime import UTC, datetime

from libs.trading.accounts import Environment
from libs.trading.market import RequestKind
from libs.trading.orders import OrderType, Validity
from services.executor.lanes import Lanes
from services.executor.rows import Due, Leaving
from services.executor.shedding import Waiting


def due(
    order_id: str, *, urgent: bool = False, command: int = 0, kind: RequestKind | None = None
) -> Due:
    leaving = Leaving(
        account_id="a",
        environment=Environment.PAPER,
        instrument="NSE:SBIN",
        kind=kind or (RequestKind.EXIT if urgent else RequestKind.ENTRY),
        order_type=OrderType.LIMIT,
        validity=Validity.DAY,
        expires_at=datetime(2026, 11, 20, 10, tzinfo=UTC),
    )
    return Due(order_id=order_id, version=1, leaving=leaving, command=command)


async def test_what_reduces_risk_goes_first() -> None:
    lanes = Lanes(10)
    lanes.wake([due("entry"), due("exit", urgent=True), due("cancel", urgent=True, command=1)])

    assert [item.order_id for item in await lanes.due(10)] == ["exit", "cancel", "entry"]


async def test_what_is_known_is_not_remembered_twice() -> None:
    lanes = Lanes(10)
    lanes.wake([due("one"), due("one"), due("one", command=1)])
    lanes.wake([due("one")])

    assert len(await lanes.due(10)) == 2


async def test_no_more_is_handed_out_than_fits_on_the_wire() -> None:
    lanes, line_is_clear = Lanes(2), asyncio.Event()

    async def send() -> None:
        await line_is_clear.wait()

    lanes.start(send())
    lanes.wake([due("one"), due("two")])
    assert len(await lanes.due(10)) == 1

    lanes.start(send())
    waiting = asyncio.create_task(lanes.due(10))
    await asyncio.sleep(0)
    assert not waiting.done()
    line_is_clear.set()
    assert len(await waiting) == 1


async def test_closed_lanes_hand_out_nothing_and_wake_who_waits() -> None:
    lanes = Lanes(2)
    waiting = asyncio.create_task(lanes.due(10))
    await asyncio.sleep(0)

    lanes.close()
    lanes.wake([due("one")])

    assert await waiting == []
    assert await lanes.due(10) == []


async def test_what_is_remembered_is_bounded() -> None:
    lanes = Lanes(10, waiting_max=2)
    lanes.wake([due(str(n)) for n in range(5)])

    assert lanes.waiting.total == 2


def test_the_newest_of_one_kind_are_taken_out_and_the_rest_keeps_its_order() -> None:
    lanes = Lanes(10)
    lanes.wake([due("old"), due("change", kind=RequestKind.MODIFY, command=1), due("new")])
    lanes.wake([due("way-out", urgent=True)])
    assert lanes.waiting == Waiting(entries=2, modifications=1, ways_out=1)

    taken = lanes.take_newest(RequestKind.ENTRY, 1)

    assert [item.order_id for item in taken] == ["new"]
    assert lanes.waiting == Waiting(entries=1, modifications=1, ways_out=1)
    # What was taken out may come back: nothing remembers it.
    lanes.wake([due("new")])
    assert lanes.waiting.entries == 2
