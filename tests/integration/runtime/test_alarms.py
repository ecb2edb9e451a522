import asyncio

import asyncpg
from prometheus_client import REGISTRY

from libs.contracts import codec, topics
from libs.contracts.notices import notice_message
from libs.runtime.alarms import Alarms, Opening
from libs.trading.events import Notice
from tests.integration.runtime.conftest import SCHEMA

USER = "0193a000-0000-7000-8000-000000000001"


def alarms(pool: asyncpg.Pool) -> Alarms:
    return Alarms(pool, SCHEMA, None, notice_message)


async def notices(pool: asyncpg.Pool) -> list[Notice]:
    rows = await pool.fetch("select payload from probe.outbox order by id")
    decoded = [codec.decode(topics.NOTICES, row["payload"]) for row in rows]
    return [notice for notice in decoded if isinstance(notice, Notice)]


async def test_an_alarm_is_a_row_a_notice_and_a_figure_until_it_is_cleared(
    pool: asyncpg.Pool,
) -> None:
    opened = await alarms(pool).open("BOOK_UNREADABLE", "account:a-1", user_id=USER, failures="3")
    standing = REGISTRY.get_sample_value(
        "lockstep_alarms_open", {"schema": SCHEMA, "name": "BOOK_UNREADABLE"}
    )
    cleared = await alarms(pool).clear("BOOK_UNREADABLE", "account:a-1")

    row = await pool.fetchrow("select * from probe.alarms")
    assert row is not None
    assert (opened, cleared, standing) == (True, True, 1)
    assert (row["user_id"], row["figures"]) == (USER, {"failures": "3"})
    assert row["opened_at"] <= row["cleared_at"]
    told = [(n.kind.value, n.code, n.subject, n.user_id, n.figures) for n in await notices(pool)]
    assert told == [
        ("ALARM_OPENED", "BOOK_UNREADABLE", "account:a-1", USER, {"failures": "3"}),
        ("ALARM_CLEARED", "BOOK_UNREADABLE", "account:a-1", USER, {"failures": "3"}),
    ]


async def test_an_alarm_that_stands_is_not_raised_again_by_anyone(pool: asyncpg.Pool) -> None:
    results = await asyncio.gather(
        *[alarms(pool).open("FEED_DOWN", "account:a-1") for _ in range(8)]
    )

    assert sorted(map(bool, results)) == [False] * 7 + [True]
    assert len(await notices(pool)) == 1


async def test_clearing_what_does_not_stand_says_nothing(pool: asyncpg.Pool) -> None:
    assert not await alarms(pool).clear("FEED_DOWN", "account:a-1")
    assert await notices(pool) == []


async def test_a_cleared_alarm_may_be_raised_anew(pool: asyncpg.Pool) -> None:
    its = alarms(pool)
    for _ in range(2):
        assert await its.open("FEED_DOWN", "account:a-1")
        assert await its.clear("FEED_DOWN", "account:a-1")

    assert len(await notices(pool)) == 4


async def test_a_ledger_that_is_away_breaks_no_caller(pool: asyncpg.Pool) -> None:
    its = alarms(pool)
    await pool.close()

    assert not await its.open("FEED_DOWN", "account:a-1")
    assert not await its.clear("FEED_DOWN", "account:a-1")


async def test_many_are_opened_and_cleared_at_once_and_told_once_each(pool: asyncpg.Pool) -> None:
    def wanted(subject: str) -> Opening:
        told = notice_message("NOTIFICATION", code="LOST", subject=subject, user_id=USER)
        return Opening(name="LOST", subject=subject, figures={"of": subject}, told=[told])

    first = await alarms(pool).open_all([wanted("a"), wanted("b"), wanted("a")])
    again = await alarms(pool).open_all([wanted("b"), wanted("c")])
    cleared = await alarms(pool).clear_all([("LOST", "a"), ("LOST", "c"), ("LOST", "nobody")])

    assert (first, again, cleared) == (2, 1, 2)
    rows = await pool.fetch("select subject from probe.alarms where cleared_at is null")
    assert [row["subject"] for row in rows] == ["b"]
    opened, ended = ("ALARM_OPENED", None), ("ALARM_CLEARED", None)
    told = [((n.kind.value, n.user_id), n.subject) for n in await notices(pool)]
    assert sorted(told, key=str) == sorted(
        [
            *[(opened, subject) for subject in "abc"],
            *[(("NOTIFICATION", USER), subject) for subject in "abc"],
            *[(ended, subject) for subject in "ac"],
        ],
        key=str,
    )
    assert await alarms(pool).open_all([]) == await alarms(pool).clear_all([]) == 0
