"""A switch amid orders at work: what it stops, what it lets out, and what it takes back."""

import asyncio
from decimal import Decimal

import pytest

from libs.trading.orders import Side
from libs.trading.signals import SignalAction
from services.executor.kill_switches import KillSwitches, Scope
from tests.factories import some_terms
from tests.integration.executor.conftest import running
from tests.integration.executor.world import World

OPERATOR = "0193a000-0000-7000-8000-0000000000aa"
DEARER = some_terms(limit_price=Decimal("820.05"))


async def changes(world: World, count: int) -> list[str]:
    """Wait for so many changes to reach the broker."""
    async with asyncio.timeout(8):
        while len(world.broker.changes) < count:  # noqa: ASYNC110  # Another task asks the broker.
            await asyncio.sleep(0.02)
    return [kind for kind, _, _ in world.broker.changes]


async def test_changes_of_entries_wait_for_a_switch_and_those_of_exits_do_not(
    world: World,
) -> None:
    await world.a_follower()
    async with running(world.replica), world.owner.acquire() as connection:
        switches = KillSwitches(connection)
        await world.emit_and_hear()
        await world.until("ACKED")
        world.broker.fill()
        await world.read_book()
        entry = await world.emit_and_hear()
        leave = await world.emit_and_hear(
            action=SignalAction.EXIT, side=Side.SELL, held_quantity=10
        )
        await world.until("FILLED", "ACKED", "ACKED")
        await switches.turn_on(Scope.MASTER, world.master_id, reason="a drill", by=OPERATOR)
        for parent in (entry, leave):
            await world.emit_and_hear(
                action=SignalAction.MODIFY, parent_signal_id=parent.signal_id, terms=DEARER
            )
        await changes(world, 1)
        await world.replica.work.flow.sweep()
        [(_, _, changed)] = world.broker.changes
        await switches.turn_off(Scope.MASTER, world.master_id, reason="over", by=OPERATOR)
        await changes(world, 2)

    assert changed.side is Side.SELL


@pytest.mark.parametrize("scope", [Scope.PLATFORM, Scope.STRATEGY, Scope.ACCOUNT])
async def test_a_switch_takes_back_entries_at_work_once_and_leaves_exits(
    world: World, scope: Scope
) -> None:
    follow = await world.a_follower()
    subject = {Scope.PLATFORM: "", Scope.STRATEGY: world.strategy_id}.get(scope, follow.account_id)
    async with running(world.replica), world.owner.acquire() as connection:
        switches = KillSwitches(connection)
        await world.emit_and_hear()
        await world.until("ACKED")
        world.broker.fill()
        await world.read_book()
        await world.emit_and_hear(action=SignalAction.EXIT, side=Side.SELL, held_quantity=10)
        await world.emit_and_hear()
        await world.until("FILLED", "ACKED", "ACKED")
        await switches.turn_on(scope, subject, reason="a drill", by=OPERATOR)
        asked = [await switches.cancel_open(scope, subject) for _ in range(2)]
        await world.until("FILLED", "ACKED", "CANCELLED")

    assert asked == [1, 0]
    assert [(kind, intent.side) for kind, _, intent in world.broker.changes] == [
        ("CANCEL", Side.BUY)
    ]


async def test_a_switch_for_somebody_else_takes_nothing_back(world: World) -> None:
    await world.a_follower()
    async with running(world.replica), world.owner.acquire() as connection:
        await world.emit_and_hear()
        await world.until("ACKED")
        assert await KillSwitches(connection).cancel_open(Scope.MASTER, OPERATOR) == 0
