"""From an order at the broker to the bus: feed, book after a break, sessions, several replicas."""

import asyncio
import signal
from collections import Counter

from libs.runtime.identity import Role
from libs.trading.accounts import SessionState
from libs.trading.events import BrokerUpdate, NoticeKind, UpdateSource
from libs.trading.orders import OrderStatus
from libs.trading.shards import shard_of
from tests.integration.streaming.programs import Running, eventually
from tests.integration.streaming.world import World
from tests.servers import PARTITIONS


async def feed_of(world: World, service: Running, account_id: str) -> dict[str, object]:
    operator = await world.sign_in(Role.VIEWER_OPERATOR)
    answer = await operator.feeds(service)
    assert answer.status_code == 200, answer.text
    rows = {row["account_id"]: row for row in answer.json()["feeds"]}
    return dict(rows.get(account_id, {}))


async def until_state(world: World, service: Running, account_id: str, state: str) -> None:
    async def is_so() -> bool:
        return (await feed_of(world, service, account_id)).get("state") == state

    await eventually(is_so, 20)


def word_of(world: World, account_id: str, status: OrderStatus) -> list[BrokerUpdate]:
    return [u for u in world.heard.updates(account_id) if u.report.status is status]


async def test_an_order_placed_at_the_broker_is_told_on_the_bus(world: World) -> None:
    linked = await world.link()
    service = await world.start()
    await until_state(world, service, linked.account_id, "connected")

    placed = await linked.place()
    await eventually(lambda: bool(word_of(world, linked.account_id, OrderStatus.OPEN)))
    await world.broker.set_price("650.00")
    await eventually(lambda: bool(word_of(world, linked.account_id, OrderStatus.FILLED)))

    filled = word_of(world, linked.account_id, OrderStatus.FILLED)[-1]
    assert filled.source is UpdateSource.FEED
    assert filled.report.broker_order_id == placed.broker_order_id
    assert filled.report.client_order_id == placed.client_order_id
    assert filled.report.filled_quantity == 10
    assert world.heard.partitions(linked.account_id) == {shard_of(linked.account_id, PARTITIONS)}


async def test_orders_from_before_the_start_come_from_the_book(world: World) -> None:
    linked = await world.link()
    placed = await linked.place()

    await world.start()
    await eventually(lambda: bool(world.heard.updates(linked.account_id)))

    [update] = world.heard.updates(linked.account_id)
    assert update.source is UpdateSource.BOOK
    assert update.report.broker_order_id == placed.broker_order_id


async def test_a_fill_missed_while_the_line_was_cut_comes_from_the_book(world: World) -> None:
    linked = await world.link()
    service = await world.start()
    await until_state(world, service, linked.account_id, "connected")
    await linked.place()
    await eventually(lambda: bool(word_of(world, linked.account_id, OrderStatus.OPEN)))

    world.broker.line.cut()
    await until_state(world, service, linked.account_id, "down")
    await world.broker.set_price("650.00")
    await asyncio.sleep(0.5)
    missed = word_of(world, linked.account_id, OrderStatus.FILLED)
    world.broker.line.mend()
    await eventually(lambda: bool(word_of(world, linked.account_id, OrderStatus.FILLED)))

    assert missed == []
    [filled] = word_of(world, linked.account_id, OrderStatus.FILLED)
    assert filled.source is UpdateSource.BOOK
    assert filled.report.filled_quantity == 10
    await until_state(world, service, linked.account_id, "connected")
    assert (await feed_of(world, service, linked.account_id))["reconnects"] == 1


async def test_an_ended_session_is_not_retried_and_an_alarm_stands_until_a_new_one(
    world: World,
) -> None:
    linked = await world.link()
    service = await world.start(STREAMING_DOWN_ALARM_AFTER_S="1")
    await until_state(world, service, linked.account_id, "connected")

    await world.broker.end_sessions(linked.account.broker_client_id)
    await until_state(world, service, linked.account_id, "expired")
    await eventually(lambda: bool(world.heard.notices(linked.account_id)))
    await world.renew_session(linked.account)
    await world.announce(linked, SessionState.CONNECTED)
    await until_state(world, service, linked.account_id, "connected")
    await eventually(lambda: len(world.heard.notices(linked.account_id)) == 2)

    opened, cleared = world.heard.notices(linked.account_id)
    assert (opened.kind, opened.code) == (NoticeKind.ALARM_OPENED, "FEED_DOWN")
    assert opened.user_id == linked.account.user_id
    assert cleared.kind is NoticeKind.ALARM_CLEARED
    assert await world.broker.order_sockets() == 1


async def test_an_account_that_connects_is_served_at_once_and_one_that_leaves_is_let_go(
    world: World,
) -> None:
    service = await world.start()
    linked = await world.link()

    # Its row alone: nobody says so on the bus.
    await until_state(world, service, linked.account_id, "connected")
    await world.announce(linked, SessionState.DISCONNECTED)

    async def is_gone() -> bool:
        return not await feed_of(world, service, linked.account_id)

    await eventually(is_gone)

    assert await world.broker.order_sockets() == 0


async def test_two_replicas_share_the_shards_and_the_one_left_serves_all(world: World) -> None:
    accounts = [await world.link(shard=shard) for shard in range(PARTITIONS)]
    first = await world.start()
    second = await world.start()
    operator = await world.sign_in(Role.OPERATOR)

    async def held_by_each() -> list[int]:
        rows = (await operator.feeds(second)).json()["feeds"]
        counts = Counter(row["owner"] for row in rows if row["state"] == "connected")
        return sorted(counts.values())

    async def half_each() -> bool:
        return await held_by_each() == [2, 2]

    async def all_at_one() -> bool:
        return await held_by_each() == [PARTITIONS]

    await eventually(half_each, 20)
    await first.stop(signal.SIGKILL)
    await eventually(all_at_one)
    for linked in accounts:
        await linked.place()

    for linked in accounts:
        await eventually(lambda of=linked: bool(world.heard.updates(of.account_id)))


async def test_a_clean_stop_hands_the_shards_over_at_once(world: World) -> None:
    linked = await world.link()
    first = await world.start()
    await until_state(world, first, linked.account_id, "connected")
    second = await world.start()

    began_s = asyncio.get_running_loop().time()
    await first.stop()
    stopped_s = asyncio.get_running_loop().time() - began_s
    await until_state(world, second, linked.account_id, "connected")
    handed_over_s = asyncio.get_running_loop().time() - began_s

    assert stopped_s < 5
    assert handed_over_s - stopped_s < 4
    leases = await world.owner.fetch("select distinct owner from streaming.shard_leases")
    assert len(leases) == 1


async def test_only_operators_see_the_board(world: World) -> None:
    service = await world.start()

    answers = [
        (await (await world.sign_in(role)).feeds(service)).status_code
        for role in (Role.FOLLOWER, Role.MASTER, Role.OPERATOR, Role.ADMIN)
    ]

    assert answers == [403, 403, 200, 200]
