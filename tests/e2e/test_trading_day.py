"""The demo's day on a whole stack: nothing doubled, nothing lost, whatever happens to executors."""

import asyncio

import pytest

from deploy.local.demo.script import REACHED
from libs.brokers.registry import BROKERS
from libs.trading.follows import SizingMode
from libs.trading.signals import CopyMode
from tests.e2e.live import LiveStack, finished_demo

pytestmark = pytest.mark.timeout(900)


def assert_all_is_well(result: dict[str, object]) -> None:
    assert (result["doubled"], result["lost"]) == (0, 0)
    assert result["ledger_equals_journal"] is True


def test_a_trading_day_is_copied_once_and_whole(stack: LiveStack) -> None:
    result = stack.demo()

    assert_all_is_well(result)
    assert (result["masters"], result["followers"], result["signals"]) == (2, 25, 31)
    orders = result["orders"]
    # Entries to all 25, to every second one and to eight; exits for whoever has something there.
    assert orders["planned"] == orders["sent"] + orders["skipped"] > 6 * 25 + 10 * 12 + 3 * 8
    assert orders["skipped"] == sum(result["skip_reasons"].values())
    assert orders["rejected"] > 0  # The one that the simulator has no margin for.
    assert orders["cancelled"] > 0
    assert set(result["sizing_modes"]) == set(SizingMode)
    assert set(result["copy_modes"]) == set(CopyMode)
    assert len(REACHED) >= 15
    assert set(result["skip_reasons"]) >= REACHED
    assert result["orders"]["attention"] == result["orders"]["not_placed"] == 0


async def test_replicas_come_and_go_in_the_middle_of_a_day(stack: LiveStack) -> None:
    broker = BROKERS[0]
    await asyncio.to_thread(stack.scale, broker, 3)
    for _ in range(200):
        if len(await stack.owners()) == 3:
            break
        await asyncio.sleep(0.1)
    assert len(await stack.owners()) == 3

    process, file = stack.begun_demo()
    await asyncio.sleep(4)
    await asyncio.to_thread(stack.scale, broker, 2)
    result = await asyncio.to_thread(finished_demo, process, file)

    assert_all_is_well(result)
    assert len(await stack.owners()) == 2
