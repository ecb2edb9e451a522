"""Sessions that end, what the bus hears of accounts, and in-app notifications."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

from uuid_utils import uuid7

from libs.contracts import codec, topics
from libs.contracts.notices import message_of
from libs.runtime.bus import Publisher, open_bus
from libs.runtime.settings import KafkaSettings
from libs.trading.accounts import Account, SessionState
from libs.trading.events import Notice, NoticeKind
from libs.trading.shards import shard_of
from tests.integration.auth.hearing import hearing
from tests.integration.auth.running import RunningSimulator, World, running_auth
from tests.servers import Database, Servers


async def eventually(fact: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(15):
        while not await fact():  # noqa: ASYNC110  # Another process sets it.
            await asyncio.sleep(0.05)


async def test_the_bus_hears_the_whole_account_at_every_change(
    world: World, servers: Servers, kafka_topics: int
) -> None:
    follower = await world.person("follower")
    async with hearing(servers, topics.SESSION_EVENTS) as heard:
        account_id = (await follower.connect("XB30001")).json()["data"]["account_id"]
        await follower.disconnect()
        records = [r for r in await heard.wait_for(2) if r[1] == account_id.encode()]

    assert {record[0] for record in records} == {shard_of(account_id, kafka_topics)}
    states: list[Account] = [record[2] for record in records]
    assert [state.session_state for state in states] == [
        SessionState.CONNECTED,
        SessionState.DISCONNECTED,
    ]
    assert [state.version for state in states] == [1, 2]
    assert states[0].user_id == follower.user_id
    assert states[0].broker_client_id == "XB30001"
    assert states[0].session_expires_at is not None


async def test_sessions_past_their_end_expire_and_their_owners_are_told(
    world: World, servers: Servers
) -> None:
    first, second = await world.person("follower"), await world.person("follower")
    account_id = (await first.connect("XB30002")).json()["data"]["account_id"]
    await second.connect("XB30003")
    world.change(
        "update auth.broker_accounts set session_expires_at = clock_timestamp()"
        " where account_id = %s",
        account_id,
    )
    assert (await first.status())["connection_status"] == "expired"

    async with hearing(servers, topics.SESSION_EVENTS) as heard:
        at_once = await asyncio.gather(*(world.app.state.connections.expire() for _ in range(3)))
        (_, key, account), *_ = await heard.wait_for(1)

    assert sum(at_once) == 1
    assert key == account_id.encode()
    assert account.session_state is SessionState.EXPIRED
    assert account.version == 2
    status = await first.status()
    assert status["connection_status"] == "expired"
    assert status["broker_client_id"] == "XB30002"
    assert (await second.status())["connection_status"] == "connected"
    listed = await first.notifications()
    assert [n["message"] for n in listed["notifications"]] == ["Please re-connect your broker."]
    assert listed["notifications"][0]["subject"] == f"account:{account_id}"
    assert listed["unread"] == 1
    assert (await second.notifications())["notifications"] == []
    assert world.rows("select connection_status from auth.broker_credentials order by 1") == [
        ("connected",),
        ("expired",),
    ]
    # An expired session is no stop: entries wait for the next login until they expire.
    assert world.rows("select * from auth.stops") == []
    again = (await first.connect("XB30002")).json()["data"]["account_id"]
    assert again == account_id
    assert (await first.status())["is_connected"] is True


async def test_notices_of_the_bus_become_notifications_once(world: World, servers: Servers) -> None:
    follower = await world.person("follower")
    other = await world.person("follower")
    operator = await world.person("viewer_operator")
    own = a_notice(user_id=follower.user_id, code="ORDER_REJECTED", figures={"order": "1"})
    alarm = a_notice(user_id=None, kind=NoticeKind.ALARM_OPENED, code="SHARD_DARK")
    broken = a_notice(user_id="not a uuid")
    bus = open_bus(
        KafkaSettings(kafka_bootstrap_servers=servers.kafka_bootstrap_servers), client_id="tests"
    )
    await bus.start()
    async with hearing(servers, topics.DEAD_LETTERS) as dead:
        await Publisher(bus).publish_many(
            [message_of(notice) for notice in (own, broken, own, alarm)]
        )
        await Publisher(bus).publish(
            topics.NOTICES, key="nobody", partition=0, payload=b"not protobuf"
        )

        async def arrived() -> bool:
            return bool((await operator.notifications())["notifications"])

        await eventually(arrived)
        letters = await dead.wait_for(2)
    await bus.stop()

    mine = await follower.notifications()
    assert [(n["notice_id"], n["message"]) for n in mine["notifications"]] == [
        (own.notice_id, "Order rejected.")
    ]
    assert (await other.notifications())["notifications"] == []
    seen = (await operator.notifications())["notifications"]
    assert [(n["kind"], n["code"]) for n in seen] == [("ALARM_OPENED", "SHARD_DARK")]
    assert {record[2].source_topic for record in letters} == {topics.NOTICES}
    assert {record[2].raw for record in letters} >= {b"not protobuf", codec.encode(broken)}
    # Somebody else's notice cannot be marked, and does not exist for this person.
    foreign = await other.http.post(f"/notifications/{own.notice_id}/read")
    assert foreign.status_code == 404
    assert (await follower.http.post(f"/notifications/{own.notice_id}/read")).status_code == 200
    mine = await follower.notifications()
    assert mine["unread"] == 0
    assert mine["notifications"][0]["read_at"] is not None


async def test_notifications_come_newest_first_in_pages(world: World) -> None:
    follower = await world.person("follower")
    notices = [a_notice(user_id=follower.user_id, code=f"N{n}") for n in range(5)]
    await world.app.state.notifications.store(notices, [])

    first = (await follower.http.get("/notifications?limit=2")).json()
    rest = (await follower.http.get(f"/notifications?before={first['cursor']}")).json()

    assert [n["code"] for n in first["notifications"]] == ["N4", "N3"]
    assert [n["code"] for n in rest["notifications"]] == ["N2", "N1", "N0"]
    assert (first["unread"], rest["cursor"]) == (5, None)
    assert (await follower.http.post("/notifications/read-all")).status_code == 200
    assert (await follower.notifications())["unread"] == 0


async def test_without_kafka_people_connect_and_are_told_all_the_same(
    servers: Servers, database: Database, simulator: RunningSimulator
) -> None:
    async with running_auth(
        servers, database, simulator, kafka_bootstrap_servers="127.0.0.1:9"
    ) as world:
        follower = await world.person("follower")

        connected = await follower.connect("XB30004")

        assert connected.status_code == 200
        assert (await world.browser().get("/readyz")).status_code == 200
        world.change("update auth.broker_accounts set session_expires_at = clock_timestamp()")
        await world.app.state.connections.expire()
        assert (await follower.notifications())["unread"] == 1
        assert world.rows("select topic from auth.outbox order by id") == [
            (topics.SESSION_EVENTS,),
            (topics.SESSION_EVENTS,),
            (topics.NOTICES,),
        ]


def a_notice(**changes: Any) -> Notice:
    values: dict[str, Any] = {
        "notice_id": str(uuid7()),
        "kind": NoticeKind.NOTIFICATION,
        "code": "HELLO",
        "subject": "order:1",
        "at": datetime.now(UTC),
    }
    return Notice(**(values | changes))
