import asyncio

from services.executor.lanes import Lanes
from services.executor.rows import Due


def due(order_id: str, *, urgent: bool = False, command: int = 0) -> Due:
    return Due(
        order_id=order_id,
        version=1,
        account_id="a",
        instrument="NSE:SBIN",
        urgent=urgent,
        command=command,
    )


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

    assert lanes.waiting == 2
