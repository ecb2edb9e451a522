"""What became of orders nobody heard of again, on a real ledger and a broker that misbehaves."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

import asyncpg
import pytest

from libs.brokers import registry
from libs.brokers.errors import OutcomeUnknown, SessionExpired
from libs.trading.orders import OrderReport, OrderStatus
from libs.trading.signals import SignalAction
from libs.trading.tags import mint_client_order_id
from tests.factories import some_terms
from tests.integration.executor.broker import a_trade
from tests.integration.executor.conftest import BUSY, a_world, running
from tests.integration.executor.world import BROKER, World
from tests.servers import Database


@pytest.fixture
async def untagged(database: Database) -> AsyncIterator[World]:
    """Give a world whose broker echoes no tags."""
    manifest = replace(registry.manifest(BROKER), tags_echoed=False)
    async with a_world(database, manifest) as world:
        yield world


async def lost(world: World, *, acts: bool) -> str:
    """Give a follower whose next answers are lost; return the account."""
    follower = await world.a_follower()
    world.broker.fails[follower.account_id] = OutcomeUnknown("the line broke")
    world.broker.acts_then_fails = acts
    return follower.account_id


async def until_alarm(world: World, name: str, *, cleared: bool = False) -> asyncpg.Record:
    for _ in range(400):
        row = await world.owner.fetchrow(
            """SELECT * FROM executor.alarms
            WHERE name = $1 AND (cleared_at IS NOT NULL) = $2""",
            name,
            cleared,
        )
        if row is not None:
            return row
        await asyncio.sleep(0.02)
    raise AssertionError(f"no {'cleared ' if cleared else ''}alarm {name}")


def without_tags(world: World) -> None:
    """Let the book show what it holds as a broker that echoes no tags does."""
    for intent in world.broker.arrivals:
        world.broker.book[intent.client_order_id] = replace(
            world.broker.book[intent.client_order_id],
            client_order_id=None,
            instrument=intent.instrument,
            side=intent.side,
            product=intent.product,
            terms=intent.terms,
            at=datetime.now(UTC),
        )


async def test_doubt_is_told_at_once_and_cleared_when_it_is_resolved(world: World) -> None:
    account_id = await lost(world, acts=False)
    async with running(world.replica):
        await world.emit_and_hear()
        standing = await until_alarm(world, "ORDERS_IN_DOUBT")
        await world.until("NOT_PLACED")
        await until_alarm(world, "ORDERS_IN_DOUBT", cleared=True)

    assert standing["subject"] == f"account:{account_id}"


async def test_a_trade_with_our_tag_shows_an_order_that_no_book_shows(world: World) -> None:
    account_id = await lost(world, acts=False)
    async with running(world.replica):
        await world.emit_and_hear()
        await world.until("UNKNOWN")
        tag = world.broker.arrivals[0].client_order_id
        world.broker.trades.append((account_id, a_trade("B77", 10, tag=tag)))
        await world.until("FILLED")

    [order] = await world.orders()
    assert (order["broker_order_id"], order["filled_quantity"]) == ("B77", 10)


async def test_a_position_that_moved_without_a_trade_is_no_absence(world: World) -> None:
    account_id = await lost(world, acts=False)
    async with running(world.replica):
        await world.emit_and_hear()
        await world.until("UNKNOWN")
        world.broker.carried["NSE:SBIN"] = 10
        await world.until("NEEDS_ATTENTION/UNEXPLAINED_FILL")
        await until_alarm(world, "NEEDS_ATTENTION")

    assert len(world.broker.arrivals) == 1
    assert account_id == world.broker.arrivals[0].account_id


async def test_what_was_carried_into_the_day_explains_a_position(world: World) -> None:
    follower = await world.a_follower(known=False)
    world.broker.carried["NSE:SBIN"] = 10
    world.broker.fails[follower.account_id] = OutcomeUnknown("the line broke")
    world.broker.acts_then_fails = False
    async with running(world.replica):
        while not await world.owner.fetchval(  # noqa: ASYNC110  # The database decides.
            "SELECT count(*) FROM executor.carried_positions WHERE quantity = 10"
        ):
            await asyncio.sleep(0.02)
        await world.emit_and_hear()
        await world.until("NOT_PLACED")


async def test_a_session_that_ended_makes_earlier_looks_worthless(world: World) -> None:
    await lost(world, acts=False)
    async with running(world.replica):
        await world.emit_and_hear()
        await world.until("UNKNOWN")
        while not await world.owner.fetchval(  # noqa: ASYNC110  # The database decides.
            "SELECT looks >= 2 FROM executor.orders"
        ):
            await asyncio.sleep(0.01)
        world.broker.unreadable = SessionExpired("logged out")
        for _ in range(200):
            if await world.owner.fetchval("SELECT looks FROM executor.orders") == 0:
                break
            await asyncio.sleep(0.02)
        [order] = await world.orders()

    assert (order["state"], order["looks"]) == ("UNKNOWN", 0)


async def test_without_tags_the_one_equal_order_is_linked_and_marked(untagged: World) -> None:
    await lost(untagged, acts=True)
    async with running(untagged.replica):
        untagged.broker.unreadable = OutcomeUnknown("not yet")
        await untagged.emit_and_hear()
        await untagged.until("UNKNOWN")
        without_tags(untagged)
        untagged.broker.unreadable = None
        await untagged.until("OPEN")

    [order] = await untagged.orders()
    observed = await untagged.owner.fetchval(
        "SELECT message FROM executor.observations WHERE source = 'BOOK'"
    )
    assert "confidence=attributes" in order["message"]
    assert "confidence=attributes" in observed


async def test_without_tags_two_equal_orders_go_to_a_person(untagged: World) -> None:
    await lost(untagged, acts=True)
    async with running(untagged.replica):
        untagged.broker.unreadable = OutcomeUnknown("not yet")
        await untagged.emit_and_hear()
        await untagged.until("UNKNOWN")
        without_tags(untagged)
        [tag] = untagged.broker.book
        untagged.broker.book["own"] = replace(untagged.broker.book[tag], broker_order_id="B99")
        untagged.broker.unreadable = None
        await untagged.until("NEEDS_ATTENTION/AMBIGUOUS_MATCH")


async def test_without_tags_an_order_parked_for_a_person_may_be_the_one(untagged: World) -> None:
    await untagged.a_follower()
    async with running(untagged.replica):
        for _ in range(2):
            await untagged.emit_and_hear()
            await untagged.until(*["ACKED"] * untagged.seq)
        without_tags(untagged)
        first, second = await untagged.orders()
        del untagged.broker.book[first["client_order_id"]]
        await untagged.owner.execute(
            """UPDATE executor.orders SET broker_order_id = NULL, deadline = clock_timestamp(),
                due_at = clock_timestamp(),
                state = CASE order_id WHEN $1 THEN 'NEEDS_ATTENTION' ELSE 'UNKNOWN' END""",
            first["order_id"],
        )
        await untagged.until("NEEDS_ATTENTION", "NEEDS_ATTENTION/AMBIGUOUS_MATCH")

    assert (await untagged.orders())[1]["order_id"] == second["order_id"]


async def test_an_equal_order_of_the_baseline_is_never_taken_for_ours(untagged: World) -> None:
    follower = await untagged.a_follower(known=False)
    untagged.broker.book["own"] = OrderReport(
        status=OrderStatus.OPEN,
        broker_order_id="B99",
        instrument="NSE:SBIN",
        terms=some_terms(),
        at=datetime.now(UTC),
    )
    async with running(untagged.replica):
        while not await untagged.owner.fetchval(  # noqa: ASYNC110  # The database decides.
            "SELECT count(*) FROM executor.known_broker_orders"
        ):
            await asyncio.sleep(0.02)
        untagged.broker.fails[follower.account_id] = OutcomeUnknown("the line broke")
        untagged.broker.acts_then_fails = False
        signal = await untagged.emit()
        untagged.broker.book["own"] = replace(
            untagged.broker.book["own"],
            side=signal.side,
            product=signal.product,
            terms=signal.terms,
        )
        await untagged.hear(signal)
        await untagged.until("NOT_PLACED")

    external = await untagged.owner.fetchrow("SELECT * FROM executor.known_broker_orders")
    assert external is not None
    assert (external["broker_order_id"], external["order_id"]) == ("B99", None)


async def test_order_not_placed_is_watched_until_it_appears(database: Database) -> None:
    async with a_world(database, BUSY, working_check_s=0.2) as world:
        account_id = await lost(world, acts=False)
        async with running(world.replica):
            await world.emit_and_hear()
            await world.until("NOT_PLACED")
            world.broker.show(world.broker.arrivals[0])
            await world.until("OPEN")
            alarm = await until_alarm(world, "ORDER_APPEARED_LATE")
            world.broker.fill()
            await world.until("FILLED")
            await until_alarm(world, "ORDER_APPEARED_LATE", cleared=True)

    assert alarm["figures"]["account_id"] == account_id


async def test_order_that_appears_late_and_filled_is_told_too(world: World) -> None:
    await lost(world, acts=False)
    async with running(world.replica):
        await world.emit_and_hear()
        await world.until("NOT_PLACED")
        world.broker.show(world.broker.arrivals[0])
        world.broker.fill()
        await world.read_book()
        await world.until("FILLED")
        await until_alarm(world, "ORDER_APPEARED_LATE", cleared=True)


async def test_fills_nobody_told_of_are_read_from_the_book(database: Database) -> None:
    async with a_world(database, BUSY, working_check_s=0.2) as world:
        await world.a_follower()
        async with running(world.replica):
            await world.emit_and_hear()
            await world.until("OPEN")
            world.broker.fill(4)
            await world.until("PARTIAL")
            world.broker.fill()
            await world.until("FILLED")
        [order] = await world.orders()

    assert (order["filled_quantity"], order["average_price"]) == (10, Decimal("812.50"))


async def test_a_takeover_reads_what_was_left_open(world: World) -> None:
    await world.a_follower()
    async with running(world.replica):
        await world.emit_and_hear()
        await world.until("ACKED")
        await world.replica.shards.give_up()
    world.broker.fill()
    async with running(world.replica):
        await world.until("FILLED")


async def test_contradicted_order_raises_its_alarm_and_keeps_both_records(world: World) -> None:
    await world.a_follower()
    async with running(world.replica):
        await world.emit_and_hear()
        await world.until("ACKED")
        world.broker.fill()
        await world.read_book()
        await world.until("FILLED")
        [tag] = world.broker.book
        world.broker.book[tag] = replace(world.broker.book[tag], status=OrderStatus.CANCELLED)
        await world.read_book()
        await world.until("NEEDS_ATTENTION/CONTRADICTION")
        await until_alarm(world, "ORDER_CONTRADICTED")

    said = await world.owner.fetch("SELECT status FROM executor.observations ORDER BY id")
    assert [row["status"] for row in said][-2:] == ["FILLED", "CANCELLED"]


async def test_order_under_our_tag_that_the_ledger_lost_raises_an_alarm(world: World) -> None:
    follower = await world.a_follower(known=False)
    tag = mint_client_order_id(bytes(32))
    world.broker.book[tag] = OrderReport(
        status=OrderStatus.OPEN, broker_order_id="B5", client_order_id=tag
    )
    async with running(world.replica):
        alarm = await until_alarm(world, "ORDER_NOT_IN_LEDGER")

    assert alarm["subject"] == f"account:{follower.account_id}"
    assert alarm["figures"]["broker_order_ids"] == "B5"


async def change_with_a_lost_answer(world: World, *, taken: bool) -> None:
    """Place an order, then lose the answer to its modification."""
    world.broker.changes_taken = taken
    parent = await world.emit_and_hear()
    await world.until("ACKED")
    world.broker.changes_fail = OutcomeUnknown("the line broke")
    # As long as nobody can look, nothing is sent again.
    world.broker.unreadable = OutcomeUnknown("down")
    await world.emit_and_hear(
        action=SignalAction.MODIFY,
        parent_signal_id=parent.signal_id,
        side=None,
        product=None,
        terms=some_terms(limit_price=Decimal(801)),
    )
    for _ in range(200):
        if world.broker.changes:
            break
        await asyncio.sleep(0.02)


async def command_state(world: World) -> str:
    state: str = await world.owner.fetchval("SELECT state FROM executor.commands")
    return state


async def test_modification_the_broker_took_is_not_sent_again(world: World) -> None:
    await world.a_follower()
    async with running(world.replica):
        await change_with_a_lost_answer(world, taken=True)
        await asyncio.sleep(3)
        assert len(world.broker.changes) == 1
        world.broker.unreadable = None
        for _ in range(500):
            if await command_state(world) == "DONE":
                break
            await asyncio.sleep(0.02)

    [order] = await world.orders()
    assert [kind for kind, _, _ in world.broker.changes] == ["MODIFY"]
    assert order["limit_price"] == Decimal(801)


async def test_modification_the_broker_never_saw_is_sent_again_after_a_look(world: World) -> None:
    await world.a_follower()
    async with running(world.replica):
        await change_with_a_lost_answer(world, taken=False)
        world.broker.changes_fail = world.broker.unreadable = None
        for _ in range(500):
            if await command_state(world) == "DONE":
                break
            await asyncio.sleep(0.02)

    assert await command_state(world) == "DONE"
    assert [kind for kind, _, _ in world.broker.changes] == ["MODIFY", "MODIFY"]
    assert world.broker.book_reads >= 1
