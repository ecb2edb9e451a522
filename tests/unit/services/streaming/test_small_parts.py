"""Accounts, sessions, the read budget, what a feed remembers, what a client may send."""

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta

from libs.runtime.internal_client import OpenedSession
from libs.trading.accounts import Account
from libs.trading.orders import OrderStatus
from services.streaming.accounts import Accounts
from services.streaming.sessions import BulkSessions
from services.streaming.talk import MessageLimit
from services.streaming.waiting import ReadBudget
from tests.factories import NOON, a_report, an_account
from tests.unit.services.streaming.fakes import a_feed


class AccountRows:
    def __init__(self, *rows: tuple[Account, datetime]) -> None:
        self.rows = list(rows)
        self.asked_since: list[datetime | None] = []

    async def accounts_changed_since(
        self, since: datetime | None
    ) -> list[tuple[Account, datetime]]:
        self.asked_since.append(since)
        return [row for row in self.rows if since is None or row[1] > since]


async def test_the_newest_version_of_an_account_wins_whichever_way_it_came() -> None:
    seen: list[int] = []
    table = AccountRows((an_account(version=2), NOON))
    accounts = Accounts(table=table, on_change=lambda account: seen.append(account.version))

    await accounts.poll()
    accounts.learn([an_account(version=1), an_account(version=3), an_account(version=3)])

    assert seen == [2, 3]


async def test_a_poll_reads_only_what_changed_with_some_overlap() -> None:
    table = AccountRows((an_account(), NOON))
    accounts = Accounts(table=table, on_change=lambda account: None)

    await accounts.poll()
    await accounts.poll()

    assert table.asked_since == [None, NOON - timedelta(seconds=10)]


class CountingSource:
    def __init__(self) -> None:
        self.asked: list[list[str]] = []
        self.away = False

    async def sessions(self, account_ids: Sequence[str], broker: str) -> dict[str, OpenedSession]:
        self.asked.append(list(account_ids))
        return {} if self.away else {name: an_opened_session(name) for name in account_ids}


def an_opened_session(account_id: str) -> OpenedSession:
    return OpenedSession(
        account_id=account_id,
        broker="one",
        client_id="XB00001",
        environment="PAPER",
        expires_at=None,
        egress=None,
        version=1,
        secrets={"access": "secret"},
    )


async def test_many_questions_for_sessions_become_few() -> None:
    source = CountingSource()
    sessions = BulkSessions(source=source)
    accounts = [an_account(account_id=f"account-{number}") for number in range(450)]

    answers = await asyncio.gather(*(sessions.session_of(account) for account in accounts))

    assert [len(asked) for asked in source.asked] == [200, 200, 50]
    assert [answer.account_id for answer in answers if answer] == [a.account_id for a in accounts]
    assert "secret" not in repr(answers[0])


async def test_a_session_known_before_serves_while_nobody_can_be_asked_until_forgotten() -> None:
    source = CountingSource()
    sessions = BulkSessions(source=source)
    before = await sessions.session_of(an_account())

    source.away = True
    meanwhile = await sessions.session_of(an_account())
    sessions.forget("account-1")
    after = await sessions.session_of(an_account())

    assert before is not None
    assert meanwhile == before
    assert after is None


async def test_who_stops_waiting_for_a_session_does_not_take_it_from_another() -> None:
    sessions = BulkSessions(source=CountingSource())
    first = asyncio.create_task(sessions.session_of(an_account()))
    second = asyncio.create_task(sessions.session_of(an_account()))
    await asyncio.sleep(0)

    first.cancel()

    assert await second is not None


def test_the_read_budget_allows_a_burst_and_then_its_rate() -> None:
    budget = ReadBudget(per_second=0.5, burst=2)

    waits = [budget.take(0), budget.take(0), budget.take(0), budget.take(0), budget.take(60)]

    assert waits == [0, 0, 2, 4, 0]


def test_a_feed_remembers_the_newest_word_about_each_order() -> None:
    feed = a_feed()
    working, done = a_report(), a_report(status=OrderStatus.FILLED)

    news = [feed.remember_book(rows) for rows in ([working], [working], [done])]

    assert news == [[working], [], [done]]
    assert not feed.has_working_orders()


def test_an_order_no_longer_in_the_book_is_not_working() -> None:
    feed = a_feed()
    feed.remember(a_report())
    worked = feed.has_working_orders()

    feed.remember_book([])

    assert worked
    assert not feed.has_working_orders()


def test_what_a_feed_remembers_is_bounded() -> None:
    feed = a_feed()

    for number in range(5_000):
        feed.remember(a_report(broker_order_id=str(number)))
    by_feed = list(feed.orders)
    feed.remember_book([a_report(broker_order_id=str(number)) for number in range(3_000)])

    assert (len(by_feed), by_feed[-1]) == (2_000, "4999")
    assert len(feed.orders) == 2_000


def test_a_client_may_send_little() -> None:
    limit = MessageLimit()

    burst = [limit.allows(0.0) for _ in range(21)]

    assert burst == [True] * 20 + [False]
    assert limit.allows(11.0)
