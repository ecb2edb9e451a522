"""Limits of whole accounts: set over HTTP, kept to by a running replica soon after."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest

from libs.runtime.identity import Role
from libs.trading.follows import Follow
from services.executor.account_limits import AccountLimitRows
from tests.integration.executor.conftest import BUSY, a_world, running
from tests.integration.executor.people import as_, calling
from tests.integration.executor.world import World, an_id, partitions
from tests.servers import Database


@pytest.fixture
async def world(database: Database) -> AsyncIterator[World]:
    async with a_world(database, manifest=BUSY, balances_every_s=0.2) as world:
        yield world


@asynccontextmanager
async def a_person(
    world: World, role: Role, follow: Follow | None = None
) -> AsyncIterator[httpx.AsyncClient]:
    """Call the executor's routes, as the owner of a follow's account where one is given."""
    pool = world.replica.repository.pool
    async with calling(pool) as (auth, app), as_(role, auth, app) as client:
        if follow is not None:
            auth.user_ids[role] = follow.user_id
        yield client


async def put(
    client: httpx.AsyncClient, follow: Follow, version: int = 0, **limits: Any
) -> httpx.Response:
    return await client.put(
        f"/account-limits/{follow.account_id}", json={"limits": limits, "version": version}
    )


@asynccontextmanager
async def refreshing(world: World) -> AsyncIterator[None]:
    """Run the replica with its poll of what changed."""
    async with running(world.replica):
        poll = asyncio.create_task(world.replica.work.refresh())
        yield
        poll.cancel()
        await asyncio.wait([poll])


async def until_learnt(world: World, follow: Follow, *, is_limited: bool = True) -> None:
    limits = world.replica.work.followers.limits
    async with asyncio.timeout(8):
        while (follow.account_id in limits) is not is_limited:  # noqa: ASYNC110
            await asyncio.sleep(0.02)


async def test_a_limit_is_kept_to_without_a_restart_and_taken_away_again(world: World) -> None:
    follow = await world.a_follower()
    async with refreshing(world), a_person(world, Role.FOLLOWER, follow) as owner:
        await world.emit_and_hear()
        await world.until("ACKED")
        answer = await put(owner, follow, order_value_max="5000")
        await until_learnt(world, follow)
        await world.emit_and_hear()
        await world.until("ACKED", "SKIPPED/ORDER_VALUE")
        await put(owner, follow, 1)
        await until_learnt(world, follow, is_limited=False)
        await world.emit_and_hear()
        await world.until("ACKED", "SKIPPED/ORDER_VALUE", "ACKED")

    assert answer.status_code == 200
    assert "is over your account's" in (await world.orders())[1]["message"]


async def test_what_was_set_before_a_start_is_known_from_the_first_signal_on(world: World) -> None:
    follow, free = await world.a_follower(), await world.a_follower()
    async with a_person(world, Role.FOLLOWER, follow) as owner:
        await put(owner, follow, products_allowed=["DELIVERY"])
    async with running(world.replica):
        await world.emit_and_hear()
        await world.until("ACKED", "SKIPPED/PRODUCT_LEFT_OUT")

    [intent] = world.broker.arrivals
    assert intent.account_id == free.account_id


async def test_positions_are_counted_for_the_sake_of_the_accounts_limits(world: World) -> None:
    follow = await world.a_follower()
    async with a_person(world, Role.FOLLOWER, follow) as owner:
        await put(owner, follow, open_positions_max=1)
    standings = world.replica.work.flow.standings
    async with running(world.replica), asyncio.timeout(8):
        while standings.of_account(follow.account_id).open_positions is None:  # noqa: ASYNC110
            await asyncio.sleep(0.02)
        await world.emit_and_hear()
        await world.emit_and_hear(instrument="NSE:TCS")
        await world.until("ACKED", "SKIPPED/OPEN_POSITIONS")

    [_, skipped] = await world.orders()
    assert "is over your account's limit of 1" in skipped["message"]


async def test_while_limits_can_not_be_read_nothing_is_served_and_nothing_planned(
    world: World,
) -> None:
    follow = await world.a_follower()
    async with a_person(world, Role.FOLLOWER, follow) as owner:
        await put(owner, follow, order_quantity_max=1)
    grant = "SELECT ON executor.account_limits"
    await world.owner.execute(f"REVOKE {grant} FROM lockstep_executor")
    await world.replica.shards.on_partitions_assigned(partitions())
    signal = await world.emit()
    work = [
        asyncio.create_task(world.replica.shards.keep()),
        planning := asyncio.create_task(world.hear(signal)),
    ]
    done, _ = await asyncio.wait([planning], timeout=1)
    served, planned = world.replica.shards.settled, await world.states()
    await world.owner.execute(f"GRANT {grant} TO lockstep_executor")
    async with asyncio.timeout(8):
        await planning
    for task in work:
        task.cancel()
    await asyncio.wait(work)

    assert (done, served, planned) == (set(), False, [])
    assert await world.states() == ["SKIPPED/ORDER_QUANTITY"]


async def test_limits_are_shown_as_they_were_set_and_by_whom(world: World) -> None:
    follow = await world.a_follower()
    async with a_person(world, Role.FOLLOWER, follow) as owner:
        before = (await owner.get(f"/account-limits/{follow.account_id}")).json()
        await put(owner, follow, order_value_max="5000", trading_until_ist="15:00")
        after = (await owner.get(f"/account-limits/{follow.account_id}")).json()

    assert (before["version"], before["limits"]["order_value_max"]) == (0, None)
    assert (before["changed_by"], before["changed_at"]) == (None, None)
    assert (after["version"], after["changed_by"]) == (1, follow.user_id)
    limits = after["limits"]
    assert (limits["order_value_max"], limits["trading_until_ist"]) == ("5000", "15:00")
    assert "short_allowed" not in limits


async def test_who_did_not_see_the_present_limits_does_not_overwrite_them(world: World) -> None:
    follow = await world.a_follower()
    async with a_person(world, Role.FOLLOWER, follow) as owner:
        answers = [
            await put(owner, follow, version, orders_per_day_max=most)
            for version, most in [(0, 5), (0, 5), (0, 6), (1, 6), (1, 6), (7, 9)]
        ]

    told = [(answer.status_code, answer.json().get("version")) for answer in answers]
    assert told == [(200, 1), (200, 1), (409, None), (200, 2), (200, 2), (409, None)]
    assert answers[2].json()["code"] == "CHANGED_MEANWHILE"
    assert answers[2].json()["data"] == {"version": 1}


async def test_operators_limit_any_account_and_who_only_looks_none(world: World) -> None:
    follow = await world.a_follower()
    async with a_person(world, Role.OPERATOR) as operator:
        answer = await put(operator, follow, order_quantity_max=5)
    async with a_person(world, Role.VIEWER_OPERATOR) as viewer:
        seen = await viewer.get(f"/account-limits/{follow.account_id}")
        refused = await put(viewer, follow, 1)

    assert (answer.status_code, seen.status_code, refused.status_code) == (200, 200, 403)
    assert seen.json()["limits"]["order_quantity_max"] == 5


async def test_somebody_elses_account_is_like_none(world: World) -> None:
    follow = await world.a_follower()
    async with a_person(world, Role.FOLLOWER) as stranger:
        answers = [
            await stranger.get(f"/account-limits/{follow.account_id}"),
            await put(stranger, follow, order_quantity_max=5),
            await stranger.get(f"/account-limits/{an_id()}"),
        ]

    assert [answer.status_code for answer in answers] == [404] * 3
    assert len({answer.text for answer in answers}) == 1
    assert await AccountLimitRows(world.replica.repository.pool).of_broker("fyers") == []


async def test_a_masters_account_has_nothing_to_limit(world: World) -> None:
    follow = await world.a_follower()
    await world.owner.execute("UPDATE auth.broker_accounts SET kind = 'TRADER'")
    async with a_person(world, Role.OPERATOR) as operator:
        answer = await put(operator, follow, order_quantity_max=5)

    assert (answer.status_code, answer.json()["code"]) == (409, "ACCOUNT_NOT_FOR_FOLLOWING")


@pytest.mark.parametrize(
    ("limits", "field"),
    [
        ({"order_value_max": 5000.0}, "limits.order_value_max"),
        ({"short_allowed": True}, "limits.short_allowed"),
        ({"trading_from_ist": "12:00", "trading_until_ist": "11:00"}, "limits.trading_until_ist"),
    ],
)
async def test_what_makes_no_sense_is_refused_as_in_a_follow(
    world: World, limits: dict[str, Any], field: str
) -> None:
    follow = await world.a_follower()
    async with a_person(world, Role.FOLLOWER, follow) as owner:
        answer = await put(owner, follow, **limits)

    assert (answer.status_code, answer.json()["field"]) == (422, field)
