"""What entries fill after the exit that should have closed them is closed all the same, once."""

from libs.brokers.protocol import BrokerSession
from libs.trading.orders import OrderIntent, OrderReport, OrderStatus, Side
from libs.trading.signals import SignalAction
from tests.integration.executor.conftest import running
from tests.integration.executor.world import World


async def too_late(
    session: BrokerSession,
    broker_order_id: str,
    intent: OrderIntent,
    *,
    not_after: float | None = None,
) -> OrderReport:
    """Refuse a cancel, as a broker does where the order was just filled."""
    return OrderReport(
        status=OrderStatus.REJECTED,
        broker_order_id=broker_order_id,
        code="-99",
        message="Order is already filled",
    )


async def left_while_filling(world: World, filled: int, *states: str) -> None:
    """Enter, fill a part, and leave while the rest is being filled at the broker."""
    world.broker.cancel_order = too_late  # type: ignore[method-assign]  # A race, played.
    await world.emit_and_hear()
    await world.until("ACKED")
    if filled:
        world.broker.fill(filled)
        await world.read_book()
        await world.until("PARTIAL")
    await world.emit_and_hear(action=SignalAction.EXIT, side=Side.SELL)
    await world.until(*states)


def sold(world: World) -> list[int]:
    return [i.terms.quantity for i in world.broker.arrivals if i.side is Side.SELL]


async def test_an_entry_that_fills_after_its_exit_is_closed(world: World) -> None:
    await world.a_follower()
    async with running(world.replica):
        await left_while_filling(world, 0, "ACKED", "SKIPPED/CLOSED_ELSEWHERE")
        world.broker.fill()
        await world.read_book()
        await world.until("FILLED", "SKIPPED/CLOSED_ELSEWHERE", "ACKED")

    [_, skipped, late] = sorted(await world.orders(), key=lambda row: row["order_id"])
    assert sold(world) == [10]
    assert (late["retry_of"], late["leg"]) == (skipped["order_id"], 100)


async def test_only_what_came_after_is_closed_beside_what_was_closed(world: World) -> None:
    await world.a_follower()
    async with running(world.replica):
        await left_while_filling(world, 6, "PARTIAL", "ACKED")
        world.broker.fill()
        await world.read_book()
        await world.until("FILLED", "FILLED", "ACKED")
        await world.emit_and_hear(action=SignalAction.EXIT, side=Side.SELL)
        await world.until("FILLED", "FILLED", "ACKED", "SKIPPED/CLOSED_ELSEWHERE")

    assert sold(world) == [6, 4]


async def test_what_a_later_exit_closed_is_not_closed_again(world: World) -> None:
    await world.a_follower()
    async with running(world.replica):
        await left_while_filling(world, 0, "ACKED", "SKIPPED/CLOSED_ELSEWHERE")
        world.broker.fill(4)
        await world.read_book()
        await world.until("PARTIAL", "SKIPPED/CLOSED_ELSEWHERE")
        await world.emit_and_hear(action=SignalAction.EXIT, side=Side.SELL)
        await world.until("PARTIAL", "SKIPPED/CLOSED_ELSEWHERE", "ACKED")
        world.broker.fill()
        await world.read_book()
        await world.until("FILLED", "SKIPPED/CLOSED_ELSEWHERE", "FILLED", "ACKED")

    assert sold(world) == [4, 6]


async def test_where_nothing_was_late_nothing_is_sent_or_kept(world: World) -> None:
    await world.a_follower()
    async with running(world.replica):
        await world.emit_and_hear()
        await world.until("ACKED")
        await world.emit_and_hear(action=SignalAction.EXIT, side=Side.SELL)
        await world.until("CANCELLED", "SKIPPED/CLOSED_ELSEWHERE")
        await world.replica.reconciliation.exit_retries.plan_asked()
        waiting = await world.owner.fetchval("SELECT count(*) FROM executor.exit_retries")

    assert (sold(world), waiting) == ([], 0)


async def test_an_exit_closes_nothing_after_its_day(world: World) -> None:
    await world.a_follower()
    async with running(world.replica):
        await left_while_filling(world, 0, "ACKED", "SKIPPED/CLOSED_ELSEWHERE")
        await world.owner.execute("UPDATE executor.exit_retries SET expires_at = clock_timestamp()")
        world.broker.fill()
        await world.read_book()
        await world.until("FILLED", "SKIPPED/CLOSED_ELSEWHERE")
        await world.replica.reconciliation.exit_retries.plan_asked()

    assert sold(world) == []


async def test_what_cannot_be_closed_is_an_exit_that_failed(world: World) -> None:
    follow = await world.a_follower()
    async with running(world.replica):
        await left_while_filling(world, 0, "ACKED", "SKIPPED/CLOSED_ELSEWHERE")
        await world.owner.execute(
            "UPDATE auth.broker_accounts SET session_state = 'DISCONNECTED', version = version + 1"
            " WHERE account_id = $1",
            follow.account_id,
        )
        [account] = await world.replica.repository.accounts()
        world.replica.work.followers.learn_account(account)
        world.broker.fill()
        await world.read_book()
        await world.until("FILLED", "SKIPPED/CLOSED_ELSEWHERE", "SKIPPED/DISCONNECTED")

    assert sold(world) == []
