"""Signals that come again: the bus may repeat any stretch of them, and nothing may follow of it."""

from decimal import Decimal

import pytest

from libs.trading.orders import Side
from libs.trading.signals import Signal, SignalAction
from tests.factories import some_terms
from tests.integration.executor.conftest import running
from tests.integration.executor.world import World


async def a_day(world: World) -> list[Signal]:
    """Enter twice, change one, leave by a part, take the other back, leave altogether."""
    first = await world.emit_and_hear()
    await world.until("ACKED", "ACKED")
    world.broker.fill()
    await world.read_book()
    second = await world.emit_and_hear()
    await world.until("FILLED", "FILLED", "ACKED", "ACKED")
    return [
        first,
        second,
        await world.emit_and_hear(
            action=SignalAction.MODIFY,
            parent_signal_id=second.signal_id,
            terms=some_terms(limit_price=Decimal("810.05")),
        ),
        await world.emit_and_hear(
            action=SignalAction.EXIT,
            side=Side.SELL,
            terms=some_terms(quantity=5),
            held_quantity=10,
        ),
        await world.cancel(second),
        await world.emit_and_hear(action=SignalAction.EXIT, side=Side.SELL),
    ]


async def rows(world: World) -> tuple[list[object], list[object]]:
    orders = await world.owner.fetch("SELECT order_id, quantity FROM executor.orders ORDER BY 1")
    commands = await world.owner.fetch(
        "SELECT order_id, n, kind FROM executor.commands ORDER BY 1, 2"
    )
    return list(map(tuple, orders)), list(map(tuple, commands))


@pytest.mark.parametrize("begins", [0, 3])
async def test_whatever_stretch_comes_again_changes_nothing(world: World, begins: int) -> None:
    await world.a_follower("1")
    await world.a_follower("2")
    async with running(world.replica):
        day = await a_day(world)
        await world.until(*["FILLED"] * 2, *["CANCELLED"] * 2, *["ACKED"] * 4)
        before, sent = await rows(world), len(world.broker.arrivals)

        for ends in range(begins + 1, len(day) + 1):
            await world.hear(*day[begins:ends])
            assert await rows(world) == before

    assert len(world.broker.arrivals) == sent == 8
