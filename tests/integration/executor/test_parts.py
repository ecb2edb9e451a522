"""Parts of positions and of orders: partial exits, exits that wait and change, copies of fills."""

import asyncio
from decimal import Decimal

from libs.trading.orders import OrderExtra, Side
from libs.trading.signals import SignalAction
from tests.factories import some_terms
from tests.integration.executor.conftest import running
from tests.integration.executor.world import World


async def bought(world: World) -> None:
    await world.emit_and_hear()
    await world.until("ACKED")
    world.broker.fill()
    await world.read_book()
    await world.until("FILLED")


def sold(world: World) -> list[int]:
    return [i.terms.quantity for i in world.broker.arrivals if i.side is Side.SELL]


async def test_of_what_is_left_each_exit_closes_the_masters_share(world: World) -> None:
    await world.a_follower("2")
    async with running(world.replica):
        await bought(world)
        for quantity, held in ((4, 10), (3, 6), (3, 3)):
            await world.emit_and_hear(
                action=SignalAction.EXIT,
                side=Side.SELL,
                terms=some_terms(quantity=quantity),
                held_quantity=held,
            )
        await world.until("FILLED", "ACKED", "ACKED", "ACKED")

    assert sold(world) == [8, 6, 6]


async def test_a_partial_exit_leaves_entries_at_work_alone(world: World) -> None:
    await world.a_follower()
    async with running(world.replica):
        await bought(world)
        await world.emit_and_hear()
        await world.until("FILLED", "ACKED")
        await world.emit_and_hear(
            action=SignalAction.EXIT,
            side=Side.SELL,
            terms=some_terms(quantity=5),
            held_quantity=10,
        )
        await world.until("FILLED", "ACKED", "ACKED")

    assert sold(world) == [5]
    assert world.broker.changes == []


async def test_an_exit_that_waits_changes_its_price_and_is_taken_back(world: World) -> None:
    await world.a_follower("2")
    async with running(world.replica):
        await bought(world)
        leave = await world.emit_and_hear(action=SignalAction.EXIT, side=Side.SELL)
        await world.until("FILLED", "ACKED")
        await world.emit_and_hear(
            action=SignalAction.MODIFY,
            parent_signal_id=leave.signal_id,
            terms=some_terms(limit_price=Decimal("830.05")),
        )
        async with asyncio.timeout(8):
            while not world.broker.changes:  # noqa: ASYNC110  # Another task asks the broker.
                await asyncio.sleep(0.02)
        await world.read_book()
        await world.cancel(leave)
        await world.until("FILLED", "CANCELLED")

    [_, way_out] = await world.orders()
    assert (way_out["quantity"], way_out["limit_price"]) == (20, Decimal("830.05"))


async def test_fills_are_copied_part_by_part_and_each_once(world: World) -> None:
    await world.a_follower("2")
    async with running(world.replica):
        first = await world.emit_and_hear(filled_before=0, filled_after=3)
        await world.hear(first)
        await world.emit_and_hear(filled_before=3, filled_after=10)
        await world.until("ACKED", "ACKED")

    assert [i.terms.quantity for i in world.broker.arrivals] == [6, 14]


async def test_an_order_that_shows_a_part_is_left_out_with_its_reason(world: World) -> None:
    await world.a_follower()
    async with running(world.replica):
        await world.emit_and_hear(extras=frozenset({OrderExtra.DISCLOSED_QUANTITY}))
        await world.until("SKIPPED/DISCLOSED_QUANTITY")

    assert world.broker.arrivals == []
