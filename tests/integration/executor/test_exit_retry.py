"""An exit that failed is tried again by one tap: once, and for no more than is open."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, cast

import pytest

from libs.brokers.errors import OutcomeUnknown
from libs.brokers.protocol import BrokerSession, MarketReader
from libs.runtime.identity import Role
from libs.trading.accounts import Environment
from libs.trading.events import NoticeKind
from libs.trading.orders import OrderStatus, OrderType, Product
from libs.trading.quotes import Quote
from libs.trading.reasons import SkipReason
from services.executor.market import MarketGate, Skip
from services.executor.quotes import SharedQuotes
from tests.factories import some_terms
from tests.integration.executor.exit_room import Room, a_room, refused_exit
from tests.integration.executor.world import an_id
from tests.servers import Database

_WAITING = """
SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()
    AND wait_event_type = 'Lock'
"""
_AN_EXIT_AT_WORK = """
INSERT INTO executor.orders (order_id, client_order_id, signal_id, account_id, broker, shard,
    master_id, strategy_id, follow_id, user_id, seq, environment, action, instrument, side, product,
    validity, order_type, quantity, request_hash, state, accepted_at, expires_at)
SELECT $1, 'another', gen_random_uuid(), account_id, broker, shard, master_id, strategy_id,
    follow_id, user_id, seq + 1, environment, action, instrument, side, product, validity,
    order_type, quantity, request_hash, 'ACKED', accepted_at, expires_at
FROM executor.orders WHERE order_id = $2
"""


@dataclass(frozen=True, slots=True)
class PricesOfNow:
    """Shows one price for everything."""

    price: Decimal

    def market(self, environment: Environment) -> "MarketReader":
        return cast("MarketReader", self)

    async def quotes(self, session: BrokerSession, instruments: Sequence[str]) -> dict[str, Quote]:
        now = datetime.now(UTC)
        return {name: Quote(instrument=name, last=self.price, at=now) for name in instruments}


class MarketThatIsClosed:
    def ask(self, *_: Any, **__: Any) -> Skip:
        return Skip(reason=SkipReason.CLOSED)


@pytest.fixture
async def room(database: Database) -> AsyncIterator[Room]:
    async with a_room(database) as room:
        yield room


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


async def test_what_was_opened_later_is_no_task_of_an_exit_that_was_settled(room: Room) -> None:
    failed = await refused_exit(room)
    await room.until_alarms(failed)
    await room.sell_by_hand(10)
    await room.until_alarms()
    room.world.broker.trades.clear()
    await room.world.replica.reconciliation.drift.look(room.account_id)

    answer = await room.tap(failed)

    assert (answer.status_code, answer.json()["code"]) == (409, "CLOSED_ELSEWHERE")
    assert "closed since" in answer.json()["message"]
    assert await room.alarms() == []


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


async def test_a_retry_has_the_worst_price_of_now(database: Database) -> None:
    async with a_room(database) as room:
        room.world.broker.refusals[room.account_id] = "RMS: blocked"
        market = some_terms(order_type=OrderType.MARKET, limit_price=None)
        prices = room.world.replica.work.flow.prices
        assert isinstance(prices, SharedQuotes)
        prices.doors, prices.fresh_s = PricesOfNow(Decimal(800)), 0.0
        failed = await room.exit("FILLED", "REJECTED/-99", terms=market)
        room.world.broker.refusals.clear()
        prices.doors = PricesOfNow(Decimal(700))

        [again] = (await room.tap(failed)).json()["orders"]

        assert (again["order_type"], failed["order_type"]) == ("LIMIT", "LIMIT")
        assert Decimal(again["limit_price"]) < 700 < failed["limit_price"] < 800


async def test_a_closed_market_is_said_and_leaves_the_retry_for_later(room: Room) -> None:
    failed = await refused_exit(room)
    departure = room.world.replica.work.flow.departure
    open_market = departure.market
    departure.market = cast("MarketGate", MarketThatIsClosed())

    closed = await room.tap(failed)
    departure.market = open_market
    later = await room.tap(failed)

    assert (closed.status_code, closed.json()["code"]) == (409, "CLOSED")
    assert "when it is open" in closed.json()["message"]
    assert later.status_code == 200


async def test_an_account_that_went_live_since_gets_no_retry_of_a_paper_exit(room: Room) -> None:
    failed = await refused_exit(room)
    [account] = await room.world.replica.repository.accounts(account_ids=[room.account_id])
    live = replace(account, environment=Environment.LIVE, version=account.version + 1)
    room.world.replica.work.followers.learn_account(live)

    answer = await room.tap(failed)

    assert (answer.status_code, answer.json()["code"]) == (409, "ACCOUNT_CHANGED")
    assert room.arrivals() == [10]


async def test_a_retry_waits_for_an_exit_that_is_being_planned(room: Room) -> None:
    failed = await refused_exit(room)
    async with room.world.owner.acquire() as planner, planner.transaction():
        await planner.execute("SELECT FROM executor.orders WHERE action = 'PLACE' FOR UPDATE")
        tap = asyncio.create_task(room.tap(failed))
        async with asyncio.timeout(8):
            while not await room.world.owner.fetchval(_WAITING):  # noqa: ASYNC110  # The database decides.
                await asyncio.sleep(0.01)
        await planner.execute(_AN_EXIT_AT_WORK, an_id(), failed["order_id"])
    answer = await tap

    assert (answer.status_code, answer.json()["code"]) == (409, "CLOSED_ELSEWHERE")
    assert room.arrivals() == [10]


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
