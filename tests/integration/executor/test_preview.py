"""`POST /preview`: asked of real rows, answered in words, and nothing written."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from functools import partial
from typing import Any

import httpx
import pytest

from libs.runtime.identity import Role
from libs.trading.follows import Follow
from libs.trading.orders import OrderType
from libs.trading.signals import SignalAction
from services.executor.account_limits import AccountLimitRows
from services.executor.app import broker_book
from services.executor.previewing import Previews
from tests.factories import some_terms
from tests.integration.executor.conftest import settings
from tests.integration.executor.people import as_, calling
from tests.integration.executor.world import World, an_id


@asynccontextmanager
async def a_follower_of_nobody(world: World) -> AsyncIterator[tuple[httpx.AsyncClient, Follow]]:
    """Somebody with an account who looks at the strategy; `follow` only names the account."""
    follow = await world.a_follower()
    await world.owner.execute("DELETE FROM signal.follows")
    repository = world.replica.repository
    async with calling(repository.pool) as (auth, app), as_(Role.FOLLOWER, auth, app) as client:
        auth.user_ids[Role.FOLLOWER] = follow.user_id
        app.state.previews = Previews(
            repository=repository,
            limits=AccountLimitRows(repository.pool),
            standings=world.replica.work.flow.standings,
            books=partial(broker_book, settings("postgresql://unused")),
        )
        yield client, follow


async def ask(
    client: httpx.AsyncClient, world: World, follow: Follow, **changes: Any
) -> httpx.Response:
    body = {
        "strategy_id": world.strategy_id,
        "account_id": follow.account_id,
        "sizing": {"mode": "MULTIPLIER", "value": "0.5"},
        **changes,
    }
    return await client.post("/preview", json=body)


async def test_the_last_twenty_trades_are_judged_though_nobody_followed(world: World) -> None:
    async with a_follower_of_nobody(world) as (client, follow):
        for number in range(1, 23):
            place = await world.emit(terms=some_terms(quantity=number))
        await world.emit(
            action=SignalAction.CANCEL,
            parent_signal_id=place.signal_id,
            side=None,
            product=None,
            terms=None,
        )
        answer = (await ask(client, world, follow)).json()

    trades = answer["trades"]
    assert [trade["seq"] for trade in trades] == list(range(22, 2, -1))
    assert trades[0]["master"]["quantity"] == 22
    [order] = trades[0]["orders"]
    assert (order["quantity"], order["limit_price"]) == (11, "812.50")
    assert trades[0]["value"] == "8937.50"
    assert answer["summary"]["copied"] == 20
    assert answer["message"] == ""
    assert await world.orders() == []


async def test_limits_of_follow_and_account_leave_trades_out_with_their_sentences(
    world: World,
) -> None:
    async with a_follower_of_nobody(world) as (client, follow):
        account = await AccountLimitRows(world.replica.repository.pool).account(follow.account_id)
        assert account is not None
        changed = {"limits": {"order_quantity_max": 20}, "version": 0}
        await client.put(f"/account-limits/{follow.account_id}", json=changed)
        for quantity in (10, 50, 200):
            await world.emit(terms=some_terms(quantity=quantity))
        limits = {"order_value_max": "50000", "open_positions_max": 1}
        answer = (await ask(client, world, follow, limits=limits)).json()

    told = [(trade["outcome"], trade["reason"]) for trade in answer["trades"]]
    assert told == [
        ("LEFT_OUT", "ORDER_VALUE"),
        ("LEFT_OUT", "ORDER_QUANTITY"),
        ("COPIED", None),
    ]
    assert "over your account's limit of 20" in answer["trades"][1]["message"]
    summary = answer["summary"]
    assert summary["left_out"] == {"ORDER_VALUE": 1, "ORDER_QUANTITY": 1}
    assert (summary["copied"], summary["value"]) == (1, "4062.50")
    assert {caution["what"] for caution in answer["not_judged"]} == {"STOPS", "OPEN_POSITIONS"}


async def test_money_can_be_named_where_nobody_knows_it(world: World) -> None:
    share = {"mode": "FUNDS_SHARE", "value": "5"}
    async with a_follower_of_nobody(world) as (client, follow):
        await world.emit()
        without = (await ask(client, world, follow, sizing=share)).json()
        named = (await ask(client, world, follow, sizing=share, funds="100000")).json()

    assert without["summary"]["not_judged"] == {"FUNDS_UNKNOWN": 1}
    assert named["trades"][0]["orders"][0]["quantity"] == 6


async def test_a_market_order_is_reckoned_with_what_the_master_traded_at(world: World) -> None:
    market = some_terms(order_type=OrderType.MARKET, limit_price=None)
    async with a_follower_of_nobody(world) as (client, follow):
        await world.emit(terms=market, master_price=Decimal(800))
        await world.emit(terms=market)
        answer = (await ask(client, world, follow)).json()

    unpriced, priced = answer["trades"]
    assert priced["value"] is not None
    assert (unpriced["outcome"], unpriced["value"]) == ("COPIED", None)
    assert answer["summary"]["without_value"] == 1


async def test_a_strategy_without_trades_has_an_empty_answer_that_says_so(world: World) -> None:
    async with a_follower_of_nobody(world) as (client, follow):
        answer = await ask(client, world, follow)

    assert answer.status_code == 200
    assert answer.json()["trades"] == answer.json()["not_judged"] == []
    assert answer.json()["message"] == "There are no trades of this strategy yet."


async def test_who_could_not_follow_cannot_look_either(world: World) -> None:
    async with a_follower_of_nobody(world) as (client, follow):
        await world.emit()
        strange = await ask(client, world, follow, account_id=an_id())
        await world.owner.execute("UPDATE auth.broker_accounts SET session_state = 'EXPIRED'")
        ended = await ask(client, world, follow)
        await world.owner.execute(
            "UPDATE auth.broker_accounts SET session_state = 'CONNECTED', kind = 'TRADER'"
        )
        of_a_master = await ask(client, world, follow)

    codes = [answer.json()["code"] for answer in (strange, ended, of_a_master)]
    assert codes == ["ACCOUNT_UNKNOWN", "ACCOUNT_NOT_CONNECTED", "ACCOUNT_NOT_FOR_FOLLOWING"]


async def test_a_master_does_not_preview_an_own_strategy(world: World) -> None:
    async with a_follower_of_nobody(world) as (client, follow):
        world.master_id = follow.user_id
        await world.emit()
        answer = await ask(client, world, follow)

    assert (answer.status_code, answer.json()["code"]) == (409, "OWN_STRATEGY")


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"sizing": {"mode": "MULTIPLIER", "value": "0"}}, "sizing.value"),
        ({"limits": {"order_value_max": 5000.0}}, "limits.order_value_max"),
        ({"funds": 100000.0}, "funds"),
    ],
)
async def test_rules_that_no_follow_takes_are_refused(
    world: World, changes: dict[str, Any], field: str
) -> None:
    async with a_follower_of_nobody(world) as (client, follow):
        answer = await ask(client, world, follow, **changes)

    assert (answer.status_code, answer.json()["field"]) == (422, field)
