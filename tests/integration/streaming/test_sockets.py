"""`/ws/orders` with a real client: own events only, doors kept, slow readers let go."""

import asyncio
import json
import signal
import time
from contextlib import AsyncExitStack, suppress

import pytest
from uuid_utils import uuid7
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed, InvalidStatus

from libs.contracts.order_json import order_json
from libs.runtime.identity import Role
from libs.trading.events import Notice, NoticeKind, OrderChanged
from tests.factories import NOON, an_account, an_order_changed
from tests.integration.streaming.world import Person, World, next_frame


def an_event(person: Person | None = None, *, master: Person | None = None) -> OrderChanged:
    return an_order_changed(
        order_id=str(uuid7()),
        account_id=str(uuid7()),
        user_id=person.user_id if person else str(uuid7()),
        master_id=master.user_id if master else str(uuid7()),
    )


async def told(world: World, *events: OrderChanged) -> None:
    for event in events:
        await world.publish(event, event.account_id)


async def until_closed(line: ClientConnection) -> None:
    with suppress(ConnectionClosed):
        async with asyncio.timeout(20):
            while True:
                await line.recv()


async def test_a_follower_hears_own_events_a_master_those_of_own_signals(world: World) -> None:
    service = await world.start()
    follower, other = await world.sign_in(Role.FOLLOWER), await world.sign_in(Role.FOLLOWER)
    master = await world.sign_in(Role.MASTER)
    operator = await world.sign_in(Role.OPERATOR)
    copied, foreign, mark = an_event(follower, master=master), an_event(), an_event(other)

    async with AsyncExitStack() as stack:
        people = (follower, other, master, operator)
        lines = [await stack.enter_async_context(person.open(service)) for person in people]
        hellos = [await next_frame(line) for line in lines]
        await told(world, foreign, copied, mark)
        notice = Notice(
            notice_id=str(uuid7()),
            kind=NoticeKind.NOTIFICATION,
            code="LAST",
            subject="test",
            at=NOON,
        )
        await world.publish(notice, "operators")
        first = [await next_frame(line) for line in lines]

    assert [hello["type"] for hello in hellos] == ["hello"] * 4
    assert first[0] == {"type": "order", "order": order_json(copied)}
    assert first[1] == {"type": "order", "order": order_json(mark)}
    assert first[2] == first[0]
    assert first[3]["type"] == "notice"


async def test_a_session_state_reaches_its_owner(world: World) -> None:
    service = await world.start()
    person = await world.sign_in(Role.FOLLOWER)
    account = an_account(account_id=str(uuid7()), user_id=person.user_id)

    async with person.open(service) as line:
        await next_frame(line, kind="hello")
        await world.publish(account, account.account_id)
        frame = await next_frame(line, kind="session")

    assert frame["account"] == {
        "account_id": account.account_id,
        "broker": account.broker,
        "kind": "CLIENT",
        "version": 1,
        "session_state": "CONNECTED",
        "environment": "PAPER",
        "broker_client_id": "XB00001",
        "session_expires_at": "2026-11-23T18:30:00.000000Z",
    }


async def test_a_foreign_page_and_a_stranger_are_turned_away(world: World) -> None:
    service = await world.start()
    person = await world.sign_in(Role.FOLLOWER)
    stranger = Person(user_id="", token="nobody knows this one")

    with pytest.raises(InvalidStatus) as refused:
        await person.open(service, origin="https://evil.example")
    async with stranger.open(service) as line:
        await until_closed(line)

    assert refused.value.response.status_code == 403
    assert line.close_code == 4401


async def test_a_revoked_sign_in_is_closed_within_about_a_second(world: World) -> None:
    service = await world.start()
    revoked, staying = await world.sign_in(Role.FOLLOWER), await world.sign_in(Role.FOLLOWER)

    async with revoked.open(service) as line, staying.open(service) as other:
        await next_frame(line, kind="hello")
        await world.sign_out(revoked)
        began_s = time.monotonic()
        await until_closed(line)
        took_s = time.monotonic() - began_s
        event = an_event(staying)
        await told(world, event)
        frame = await next_frame(other, kind="order")

    assert line.close_code == 4401
    assert took_s < 10
    assert frame["order"] == order_json(event)


async def test_a_slow_reader_is_let_go_and_the_others_hear_all_in_order(world: World) -> None:
    service = await world.start(STREAMING_SOCKET_FRAMES_MAX="64")
    person = await world.sign_in(Role.FOLLOWER)
    count = 2_500

    async with person.open(service) as quick, person.open(service) as slow:
        await next_frame(quick, kind="hello")
        await next_frame(slow, kind="hello")
        # Nothing is read from here on: its own buffer of some frames, then the kernel's fill up.
        slow.transport.pause_reading()
        reading = asyncio.create_task(_versions(quick, count))
        for start in range(0, count, 500):
            events = [
                an_order_changed(user_id=person.user_id, version=version, message="x" * 4_000)
                for version in range(start, start + 500)
            ]
            await asyncio.gather(*(told(world, event) for event in events))
        versions = await reading
        slow.transport.resume_reading()
        await until_closed(slow)

    assert versions == list(range(count))
    assert slow.close_code in {4408, 1006}


async def _versions(line: ClientConnection, count: int) -> list[int]:
    versions: list[int] = []
    async with asyncio.timeout(100):
        while len(versions) < count:
            frame = json.loads(await line.recv())
            if frame["type"] == "order":
                versions.append(frame["order"]["version"])
    return versions


async def test_a_client_that_talks_too_much_or_too_big_is_closed(world: World) -> None:
    service = await world.start()
    person = await world.sign_in(Role.FOLLOWER)

    async with person.open(service) as flooding, person.open(service) as shouting:
        await shouting.send("x" * 5_000)
        for _ in range(21):
            await flooding.send("hello?")
        await until_closed(flooding)
        await until_closed(shouting)

    assert flooding.close_code == 1008
    assert shouting.close_code == 1009


async def test_a_stopping_service_says_that_it_restarts(world: World) -> None:
    service = await world.start()
    person = await world.sign_in(Role.FOLLOWER)

    async with person.open(service) as line:
        await next_frame(line, kind="hello")
        service.send(signal.SIGTERM)
        await until_closed(line)

    assert line.close_code == 1012
    await service.stop()


async def test_heartbeats_come_every_ten_seconds(world: World) -> None:
    service = await world.start()
    person = await world.sign_in(Role.FOLLOWER)

    async with person.open(service) as line, asyncio.timeout(12):
        while json.loads(await line.recv())["type"] != "heartbeat":
            pass
