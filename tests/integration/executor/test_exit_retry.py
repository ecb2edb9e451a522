"""Exits that fail: the alarm, the word to the follower, and another try by one tap."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from libs.brokers.errors import OutcomeUnknown
from libs.contracts import codec, topics
from libs.runtime.identity import Role
from libs.trading.events import Notice, NoticeKind
from libs.trading.orders import OrderStatus, Product, Side
from libs.trading.signals import SignalAction
from tests.factories import some_terms
from tests.integration.executor.broker import a_trade
from tests.integration.executor.conftest import BUSY, a_world, running
from tests.integration.executor.people import AuthByKey, as_, calling
from tests.integration.executor.world import World, an_id
from tests.servers import Database


@dataclass(frozen=True, slots=True)
class Room:
    """A running world whose first follower holds a position and calls the routes."""

    world: World
    auth: AuthByKey
    app: FastAPI

    @property
    def account_id(self) -> str:
        return self.world.follows[0].account_id

    async def exit(self, *states: str, **changes: Any) -> dict[str, Any]:
        """Let the master leave; return the follower's exit once the orders stand so."""
        await self.world.emit_and_hear(action=SignalAction.EXIT, side=Side.SELL, **changes)
        await self.world.until(*states)
        return await self.newest()

    async def newest(self) -> dict[str, Any]:
        rows = await self.world.orders()
        return dict(max(rows, key=lambda row: str(row["order_id"])))

    async def tap(self, order: dict[str, Any], role: Role = Role.FOLLOWER) -> httpx.Response:
        async with as_(role, self.auth, self.app) as client:
            return await client.post(f"/orders/{order['order_id']}/retry")

    async def alarms(self) -> list[str]:
        """Name the orders whose exit failed and is open still."""
        rows = await self.world.owner.fetch(
            "SELECT subject FROM executor.alarms WHERE name = 'EXIT_FAILED' AND cleared_at IS NULL"
        )
        return sorted(row["subject"].removeprefix("order:") for row in rows)

    async def until_alarms(self, *orders: dict[str, Any]) -> None:
        wanted = sorted(str(order["order_id"]) for order in orders)
        async with asyncio.timeout(8):
            while await self.alarms() != wanted:  # noqa: ASYNC110  # The database decides.
                await asyncio.sleep(0.02)

    async def told(self, kind: NoticeKind) -> list[Notice]:
        rows = await self.world.owner.fetch("SELECT payload FROM executor.outbox ORDER BY id")
        heard = [codec.decode(topics.NOTICES, row["payload"]) for row in rows]
        return [
            notice
            for notice in heard
            if isinstance(notice, Notice) and (notice.code, notice.kind) == ("EXIT_FAILED", kind)
        ]

    async def fill(self, *states: str) -> None:
        self.world.broker.fill()
        await self.world.read_book()
        await self.world.until(*states)

    async def sell_by_hand(self, quantity: int) -> None:
        """Let the account's owner sell, and the day's trades tell so."""
        sold = a_trade("by-hand", quantity, side=Side.SELL)
        self.world.broker.trades.append((self.account_id, sold))
        await self.world.replica.reconciliation.drift.look(self.account_id)

    def arrivals(self) -> list[int]:
        return [i.terms.quantity for i in self.world.broker.arrivals if i.side is Side.SELL]


@asynccontextmanager
async def a_room(database: Database, followers: int = 1, **terms: Any) -> AsyncIterator[Room]:
    async with a_world(database, BUSY) as world:
        for _ in range(followers):
            await world.a_follower()
        async with running(world.replica), calling(world.owner) as (auth, app):
            app.state.replica = world.replica
            auth.user_ids[Role.FOLLOWER] = world.follows[0].user_id
            room = Room(world, auth, app)
            await world.emit_and_hear(terms=some_terms(), **terms)
            await world.until(*["ACKED"] * followers)
            await room.fill(*["FILLED"] * followers)
            yield room


@pytest.fixture
async def room(database: Database) -> AsyncIterator[Room]:
    async with a_room(database) as room:
        yield room


async def refused_exit(room: Room) -> dict[str, Any]:
    room.world.broker.refusals[room.account_id] = "RMS: blocked"
    failed = await room.exit("FILLED", "REJECTED/-99")
    room.world.broker.refusals.clear()
    # What was refused stands in no book.
    del room.world.broker.book[failed["client_order_id"]]
    return failed


async def test_a_refused_exit_raises_an_alarm_and_tells_the_follower(room: Room) -> None:
    failed = await refused_exit(room)
    await room.until_alarms(failed)

    [word] = await room.told(NoticeKind.NOTIFICATION)
    [alarm] = await room.told(NoticeKind.ALARM_OPENED)
    assert (word.user_id, alarm.user_id) == (room.world.follows[0].user_id, None)
    assert word.subject == alarm.subject == f"order:{failed['order_id']}"
    assert (word.figures["quantity"], word.figures["instrument"]) == ("10", "NSE:SBIN")
    assert "RMS: blocked" in word.figures["why"]
    assert "Try again" in word.figures["advice"]


async def test_one_tap_sends_another_order_and_its_fill_ends_the_alarm(room: Room) -> None:
    failed = await refused_exit(room)
    await room.until_alarms(failed)
    answer = await room.tap(failed)
    await room.world.until("FILLED", "REJECTED/-99", "ACKED")

    assert answer.status_code == 200
    [shown] = answer.json()["orders"]
    again = await room.newest()
    assert (shown["order_id"], shown["retry_of"]) == (again["order_id"], failed["order_id"])
    assert (again["retry_of"], again["issue"], again["leg"]) == (failed["order_id"], 1, 0)
    assert again["client_order_id"] != failed["client_order_id"]
    assert again["expires_at"] > again["accepted_at"] > failed["planned_at"]
    born = await room.world.owner.fetchval(
        "SELECT message FROM executor.order_history WHERE order_id = $1 AND version = 1",
        again["order_id"],
    )
    assert failed["order_id"] in born
    await room.fill("FILLED", "FILLED", "REJECTED/-99")
    await room.until_alarms()


async def test_two_taps_at_once_make_one_order(room: Room) -> None:
    failed = await refused_exit(room)

    answers = await asyncio.gather(*[room.tap(failed) for _ in range(5)])
    await room.world.until("FILLED", "REJECTED/-99", "ACKED")
    later = await room.tap(failed)

    made = {order["order_id"] for answer in answers for order in answer.json()["orders"]}
    assert made == {(await room.newest())["order_id"]}
    assert [order["order_id"] for order in later.json()["orders"]] == list(made)
    assert room.arrivals() == [10, 10]


async def test_an_exit_that_may_be_alive_is_not_tried_again(room: Room) -> None:
    room.world.broker.fails[room.account_id] = OutcomeUnknown("the line broke")
    room.world.broker.unreadable = OutcomeUnknown("no book either")
    failed = await room.exit("FILLED", "UNKNOWN")
    await room.until_alarms(failed)

    answer = await room.tap(failed)

    assert (answer.status_code, answer.json()["code"]) == (409, "ORDER_UNCLEAR")
    assert "may still be filled" in answer.json()["message"]
    [word] = await room.told(NoticeKind.NOTIFICATION)
    assert word.figures["advice"].startswith("Look at your broker")
    assert room.arrivals() == [10]


async def test_an_unclear_exit_that_turns_out_filled_ends_the_alarm(room: Room) -> None:
    room.world.broker.fails[room.account_id] = OutcomeUnknown("the line broke")
    room.world.broker.unreadable = OutcomeUnknown("no book either")
    failed = await room.exit("FILLED", "UNKNOWN")
    await room.until_alarms(failed)
    room.world.broker.unreadable = None

    await room.fill("FILLED", "FILLED")

    await room.until_alarms()


async def test_a_retry_closes_what_is_left_then(room: Room) -> None:
    failed = await refused_exit(room)
    await room.sell_by_hand(4)

    [shown] = (await room.tap(failed)).json()["orders"]
    await room.world.until("FILLED", "REJECTED/-99", "ACKED")

    assert shown["quantity"] == 6
    assert room.arrivals() == [10, 6]


async def test_what_was_closed_by_hand_is_not_sold_once_more(room: Room) -> None:
    failed = await refused_exit(room)
    await room.until_alarms(failed)
    await room.sell_by_hand(10)

    await room.until_alarms()
    answer = await room.tap(failed)

    assert (answer.status_code, answer.json()["code"]) == (409, "CLOSED_ELSEWHERE")
    assert room.arrivals() == [10]


async def test_a_delivery_sold_by_hand_is_not_sold_once_more(database: Database) -> None:
    async with a_room(database, product=Product.DELIVERY) as room:
        room.world.broker.refusals[room.account_id] = "RMS: blocked"
        failed = await room.exit("FILLED", "REJECTED/-99", product=Product.DELIVERY)
        await room.until_alarms(failed)
        await room.world.owner.execute(
            """INSERT INTO executor.known_broker_orders (account_id, day, broker_order_id, status,
                instrument, side, product, quantity, filled_quantity)
            VALUES ($1, (clock_timestamp() AT TIME ZONE 'Asia/Kolkata')::date, 'by-hand', 'FILLED',
                'NSE:SBIN', 'SELL', 'DELIVERY', 10, 10)""",
            room.account_id,
        )

        await room.until_alarms()
        answer = await room.tap(failed)

        assert (answer.status_code, answer.json()["code"]) == (409, "CLOSED_ELSEWHERE")


async def test_a_part_that_was_filled_is_not_closed_twice(room: Room) -> None:
    failed = await room.exit("FILLED", "ACKED")
    tag = failed["client_order_id"]
    shown = room.world.broker.book[tag]
    room.world.broker.book[tag] = replace(
        shown, status=OrderStatus.CANCELLED, filled_quantity=4, average_price=Decimal(812)
    )
    await room.world.read_book()
    await room.world.until("FILLED", "CANCELLED")
    await room.until_alarms(failed)

    [again] = (await room.tap(failed)).json()["orders"]

    assert again["quantity"] == 6


async def test_a_retry_that_fails_has_its_own_alarm_and_may_be_tried_again(room: Room) -> None:
    failed = await refused_exit(room)
    room.world.broker.refusals[room.account_id] = "RMS: still blocked"
    await room.tap(failed)
    await room.world.until("FILLED", "REJECTED/-99", "REJECTED/-99")
    second = await room.newest()
    await room.until_alarms(second)
    room.world.broker.refusals.clear()

    first_again = await room.tap(failed)
    third = await room.tap(second)
    await room.world.until("FILLED", "REJECTED/-99", "REJECTED/-99", "ACKED")

    assert [o["order_id"] for o in first_again.json()["orders"]] == [second["order_id"]]
    assert [o["retry_of"] for o in third.json()["orders"]] == [second["order_id"]]
    assert room.arrivals() == [10, 10, 10]


async def test_nobody_tries_another_person_s_order_again(room: Room) -> None:
    failed = await refused_exit(room)
    room.auth.user_ids[Role.FOLLOWER] = an_id()

    stranger = await room.tap(failed)
    master = await room.tap(failed, Role.MASTER)
    viewer = await room.tap(failed, Role.VIEWER_OPERATOR)
    operator = await room.tap(failed, Role.OPERATOR)

    assert [stranger.status_code, master.status_code, viewer.status_code] == [404, 403, 403]
    assert operator.status_code == 200


async def test_an_entry_is_not_tried_again(room: Room) -> None:
    [entry] = await room.world.orders()

    answer = await room.tap(dict(entry))

    assert (answer.status_code, answer.json()["code"]) == (409, "NOT_AN_EXIT")


async def test_a_disconnected_account_is_told_so(room: Room) -> None:
    failed = await refused_exit(room)
    await room.world.owner.execute(
        "UPDATE auth.broker_accounts SET session_state = 'DISCONNECTED', version = version + 1"
        " WHERE account_id = $1",
        room.account_id,
    )
    [account] = await room.world.replica.repository.accounts(account_ids=[room.account_id])
    room.world.replica.work.followers.learn_account(account)

    answer = await room.tap(failed)

    assert (answer.status_code, answer.json()["code"]) == (409, "DISCONNECTED")
    assert answer.json()["message"] == "The broker account is disconnected."


async def test_a_wish_that_nobody_heard_dies_and_is_repeated(room: Room) -> None:
    failed = await refused_exit(room)
    retries = room.world.replica.reconciliation.exit_retries
    order = await retries.rows.order(str(failed["order_id"]), None)
    assert order is not None
    dead = await retries.rows.ask(order, an_id(), lives_s=0)
    await retries.plan_asked()

    assert (await room.tap(failed)).status_code == 200
    assert dead is not None
    assert (await retries.rows.outcome(dead)).reason == "NOT_SERVED"


async def test_many_failed_exits_are_told_at_once(database: Database) -> None:
    async with a_room(database, followers=25) as room:
        for follow in room.world.follows:
            room.world.broker.refusals[follow.account_id] = "RMS: blocked"
        await room.exit(*["FILLED"] * 25, *["REJECTED/-99"] * 25)
        rows = await room.world.orders()
        exits = [dict(row) for row in rows if row["action"] == "EXIT"]

        await room.until_alarms(*exits)

        words = await room.told(NoticeKind.NOTIFICATION)
        assert {word.user_id for word in words} == {f.user_id for f in room.world.follows}
        assert len(words) == 25
