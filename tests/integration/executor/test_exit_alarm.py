"""An exit that failed is an alarm until its position is closed, and its follower is told."""

from collections.abc import AsyncIterator

import pytest

from libs.brokers.errors import OutcomeUnknown
from libs.trading.events import NoticeKind
from tests.integration.executor.exit_room import Room, a_room, refused_exit
from tests.servers import Database


@pytest.fixture
async def room(database: Database) -> AsyncIterator[Room]:
    async with a_room(database) as room:
        yield room


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


async def test_an_unclear_exit_that_turns_out_filled_ends_the_alarm(room: Room) -> None:
    room.world.broker.fails[room.account_id] = OutcomeUnknown("the line broke")
    room.world.broker.unreadable = OutcomeUnknown("no book either")
    failed = await room.exit("FILLED", "UNKNOWN")
    await room.until_alarms(failed)
    room.world.broker.unreadable = None

    await room.fill("FILLED", "FILLED")

    await room.until_alarms()


async def test_an_exit_that_was_never_sent_raises_the_alarm_too(room: Room) -> None:
    await room.world.owner.execute(
        "UPDATE auth.broker_accounts SET session_state = 'DISCONNECTED', version = version + 1"
        " WHERE account_id = $1",
        room.account_id,
    )
    [account] = await room.world.replica.repository.accounts(account_ids=[room.account_id])
    room.world.replica.work.followers.learn_account(account)

    failed = await room.exit("FILLED", "SKIPPED/DISCONNECTED")

    await room.until_alarms(failed)
    [word] = await room.told(NoticeKind.NOTIFICATION)
    assert word.figures["why"] == "The broker account is disconnected."


async def test_what_is_entered_later_is_no_concern_of_an_exit_that_found_nothing(
    room: Room,
) -> None:
    await room.exit("FILLED", "ACKED")
    await room.fill("FILLED", "FILLED")
    await room.exit("FILLED", "FILLED", "SKIPPED/CLOSED_ELSEWHERE")
    await room.world.emit_and_hear()
    await room.world.until("FILLED", "FILLED", "SKIPPED/CLOSED_ELSEWHERE", "ACKED")
    await room.fill("FILLED", "FILLED", "SKIPPED/CLOSED_ELSEWHERE", "FILLED")

    await room.world.replica.reconciliation.standing.tell()

    assert await room.alarms() == []


async def test_an_exit_that_found_nothing_left_is_no_failure(room: Room) -> None:
    await room.exit("FILLED", "ACKED")
    await room.fill("FILLED", "FILLED")
    await room.exit("FILLED", "FILLED", "SKIPPED/CLOSED_ELSEWHERE")

    await room.world.replica.reconciliation.standing.tell()

    assert await room.alarms() == []


async def test_the_master_s_next_exit_ends_the_alarm(room: Room) -> None:
    failed = await refused_exit(room)
    await room.until_alarms(failed)

    await room.exit("FILLED", "REJECTED/-99", "ACKED")
    await room.fill("FILLED", "REJECTED/-99", "FILLED")

    await room.until_alarms()
    # Told once, and not again by whoever serves the account next.
    await room.world.replica.reconciliation.standing.tell()
    assert len(await room.told(NoticeKind.NOTIFICATION)) == 1


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
