"""Money and positions, read from the broker apart from the order path, and what asks for them."""

import asyncio
from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

import pytest

from libs.brokers.errors import OutcomeUnknown
from libs.trading.follows import Follow
from libs.trading.orders import Product, Side
from libs.trading.signals import SignalAction
from tests.factories import some_terms
from tests.integration.executor.broker import a_trade
from tests.integration.executor.conftest import BUSY, a_world, running
from tests.integration.executor.world import World
from tests.servers import Database


@pytest.fixture
async def world(database: Database) -> AsyncIterator[World]:
    async with a_world(database, manifest=BUSY, balances_every_s=0.2) as world:
        yield world


async def a_follower_with(
    world: World, *, mode: str = "MULTIPLIER", value: int = 1, **limits: Any
) -> Follow:
    follow = await world.a_follower()
    await world.owner.execute(
        """UPDATE signal.follows SET sizing_mode = $2, sizing_value = $3, limits = $4
        WHERE follow_id = $1""",
        follow.follow_id,
        mode,
        Decimal(value),
        limits,
    )
    return follow


async def until_read(world: World, follow: Follow, *, after: float = -1.0) -> None:
    """Wait until the account was read, anew if a moment is given."""
    standings = world.replica.work.flow.standings
    async with asyncio.timeout(8):
        while standings.monotonic() - standings.age_s(follow.account_id) <= after:  # noqa: ASYNC110
            await asyncio.sleep(0.02)


async def test_a_share_of_the_funds_buys_what_it_is_enough_for(world: World) -> None:
    world.broker.money = Decimal(100_000)
    follow = await a_follower_with(world, mode="FUNDS_SHARE", value=10)
    async with running(world.replica):
        await until_read(world, follow, after=0)
        await world.emit_and_hear()
        await world.until("ACKED")

    # 10 % of a hundred thousand, at 812.50 each.
    assert [order["quantity"] for order in await world.orders()] == [12]


async def test_without_a_reading_nothing_is_bought_for_money(world: World) -> None:
    world.broker.unreadable = OutcomeUnknown("no answer")
    await a_follower_with(world, mode="FUNDS_SHARE", value=10)
    async with running(world.replica):
        await world.emit_and_hear()
        await world.until("SKIPPED/FUNDS_UNKNOWN")

    assert world.broker.arrivals == []


async def test_a_size_in_proportion_to_what_master_and_follower_have(world: World) -> None:
    world.broker.money = Decimal(250_000)
    follow = await a_follower_with(world, mode="EQUITY_PROPORTIONAL")
    async with running(world.replica):
        await until_read(world, follow, after=0)
        await world.emit_and_hear(terms=some_terms(quantity=13), master_equity=Decimal(1_000_000))
        await world.until("ACKED")

    assert [order["quantity"] for order in await world.orders()] == [3]


async def test_no_more_positions_are_opened_than_allowed(world: World) -> None:
    follow = await a_follower_with(world, open_positions_max=1)
    async with running(world.replica):
        await until_read(world, follow, after=0)
        await world.emit_and_hear()
        await world.emit_and_hear(instrument="NSE:TCS")
        await world.emit_and_hear()
        await world.until("ACKED", "SKIPPED/OPEN_POSITIONS", "ACKED")

    [_, skipped, _] = await world.orders()
    assert skipped["message"] == "With 1 position open, one more is over your limit of 1."


async def test_what_would_open_a_short_is_left_out_where_positions_are_known(
    world: World,
) -> None:
    follow = await a_follower_with(world, open_positions_max=5)
    async with running(world.replica):
        await until_read(world, follow, after=0)
        await world.emit_and_hear(terms=some_terms(quantity=10))
        await world.emit_and_hear(side=Side.SELL, terms=some_terms(quantity=4))
        await world.emit_and_hear(side=Side.SELL, terms=some_terms(quantity=7))
        await world.until("ACKED", "ACKED", "SKIPPED/SHORT")

    [*_, skipped] = await world.orders()
    assert "Selling 7 shares with 6 held" in skipped["message"]


async def test_a_day_with_too_much_lost_opens_nothing_more(world: World) -> None:
    follow = await a_follower_with(world, loss_per_day_max="500")
    async with running(world.replica):
        await until_read(world, follow, after=0)
        await world.emit_and_hear()
        await world.until("ACKED")
        world.broker.fill()
        await world.read_book()
        await world.until("FILLED")
        world.broker.last_price = Decimal("752.50")
        before = world.replica.work.flow.standings.monotonic()
        await until_read(world, follow, after=before)
        await world.emit_and_hear()
        await world.until("FILLED", "SKIPPED/LOSS_PER_DAY")

    [_, skipped] = await world.orders()
    assert "600.00 has reached your limit" in skipped["message"]


async def bought_then_sold_by_hand(world: World, quantity: int, **terms: Any) -> None:
    """Fill an entry of ten; then the account's owner sells some of it, and a drift watch looks."""
    [follow] = world.follows
    await world.emit_and_hear(**terms)
    await world.until("ACKED")
    world.broker.fill()
    await world.read_book()
    await world.until("FILLED")
    sold = a_trade("by-hand", quantity, side=Side.SELL)
    world.broker.trades.append((follow.account_id, sold))
    await world.replica.reconciliation.drift.compare(follow.account_id)


@pytest.mark.parametrize(("sold", "expected"), [(4, ["ACKED", 6]), (0, ["ACKED", 10])])
async def test_an_exit_closes_no_more_than_the_owner_left(
    world: World, sold: int, expected: list[object]
) -> None:
    await world.a_follower()
    async with running(world.replica):
        await bought_then_sold_by_hand(world, sold)
        await world.emit_and_hear(action=SignalAction.EXIT, side=Side.SELL)
        await world.until("FILLED", "ACKED")

    [_, way_out] = await world.orders()
    assert [way_out["state"], way_out["quantity"]] == expected


async def test_what_the_owner_closed_whole_is_not_sold_once_more(world: World) -> None:
    await world.a_follower()
    async with running(world.replica):
        await bought_then_sold_by_hand(world, 10)
        await world.emit_and_hear(action=SignalAction.EXIT, side=Side.SELL)
        await world.until("FILLED", "SKIPPED/CLOSED_ELSEWHERE")

    assert [intent.side for intent in world.broker.arrivals] == [Side.BUY]


async def test_a_delivery_of_earlier_days_is_no_position_and_can_be_sold(world: World) -> None:
    await world.a_follower()
    async with running(world.replica):
        await bought_then_sold_by_hand(world, 10, product=Product.DELIVERY)
        await world.emit_and_hear(
            action=SignalAction.EXIT, side=Side.SELL, product=Product.DELIVERY
        )
        await world.until("FILLED", "ACKED")


async def test_an_account_that_connects_later_is_known_soon(world: World) -> None:
    async with running(world.replica):
        follow = await a_follower_with(world, orders_per_day_max=1)
        [account] = await world.replica.repository.accounts()
        world.replica.work.followers.learn_account(account)
        [stored] = await world.replica.repository.follows()
        world.replica.work.followers.learn_follow(stored)
        standings = world.replica.work.flow.standings
        async with asyncio.timeout(8):
            while not standings.knows(follow.account_id):  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        await world.replica.work.sessions.load([follow.account_id])
        await world.emit_and_hear()
        await world.emit_and_hear()
        await world.until("ACKED", "SKIPPED/ORDERS_PER_DAY")
