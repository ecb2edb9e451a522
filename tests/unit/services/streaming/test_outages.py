"""FEED_DOWN is raised after 15 s without a feed and cleared when it is back, once each."""

from datetime import datetime, timedelta

from libs.brokers.protocol import BrokerSession
from libs.trading.accounts import Account, SessionState
from services.streaming.feeds import FeedKeeper
from services.streaming.held import HeldFeed
from services.streaming.outages import Outages
from tests.factories import NOON, an_account
from tests.unit.services.streaming.fakes import a_session

BROKER = an_account().broker


class AlarmBook:
    """Alarms and their table; `lost` writes are not taken."""

    def __init__(self) -> None:
        self.standing: dict[str, dict[str, str]] = {}
        self.calls: list[str] = []
        self.lost = False

    async def open(
        self, name: str, subject: str, *, user_id: str | None = None, **figures: str
    ) -> bool:
        self.calls.append(f"open {subject} {user_id}")
        if not self.lost:
            self.standing[subject] = figures
        return not self.lost

    async def clear(self, name: str, subject: str) -> bool:
        self.calls.append(f"clear {subject}")
        return self.standing.pop(subject, None) is not None

    async def open_alarm_subjects(self, name: str) -> set[str]:
        return set(self.standing)


async def never(feed: HeldFeed) -> None:
    raise AssertionError("no feed is held here")


class Watch:
    def __init__(self, account: Account | None = None) -> None:
        self.account = account or an_account()
        self.book = AlarmBook()
        self.at: datetime = NOON
        self.keeper = FeedKeeper(
            hold=never,
            accounts=lambda: [self.account],
            now=lambda: self.at,
            brokers=frozenset({BROKER}),
            partitions=1,
        )
        self.keeper._owned = {(BROKER, 0): 1}  # noqa: SLF001  # Leased, without starting a task.
        self.feed = HeldFeed(account=self.account, shard=0, epoch=1, since=NOON)
        self.keeper.feeds[self.account.account_id] = self.feed
        self.outages = Outages(table=self.book, alarms=self.book, keeper=self.keeper)

    async def pass_seconds(self, seconds: int) -> None:
        for _ in range(seconds):
            self.at += timedelta(seconds=1)
            await self.outages.step()


async def test_a_short_break_raises_nothing() -> None:
    watch = Watch()
    watch.feed.went_down(NOON, "the line broke")
    await watch.pass_seconds(14)
    watch.feed.connected(watch.at)
    await watch.pass_seconds(5)

    assert watch.book.calls == []


async def test_a_long_break_is_raised_once_and_cleared_once() -> None:
    watch = Watch()
    watch.feed.went_down(NOON, "the line broke")
    await watch.pass_seconds(30)
    watch.feed.connected(watch.at)
    await watch.pass_seconds(30)

    subject = "account:account-1"
    assert watch.book.calls == [f"open {subject} user-1", f"clear {subject}"]


async def test_attempts_that_fail_do_not_begin_the_count_anew() -> None:
    watch = Watch()
    for _ in range(16):
        watch.feed.trying(watch.at)
        watch.feed.went_down(watch.at, "refused")
        await watch.pass_seconds(1)

    assert watch.book.standing["account:account-1"]["since"] == "2026-11-23T06:30:00Z"


async def test_an_expired_session_counts_as_down() -> None:
    watch = Watch()
    session: BrokerSession = a_session()
    watch.feed.expired(NOON, session, "log in first")
    await watch.pass_seconds(16)

    assert watch.book.standing["account:account-1"]["state"] == "expired"


async def test_an_account_that_waits_its_turn_to_connect_raises_nothing() -> None:
    watch = Watch()
    await watch.pass_seconds(60)

    assert watch.book.calls == []


async def test_an_alarm_of_the_replica_before_is_cleared_here() -> None:
    watch = Watch()
    watch.book.standing["account:account-1"] = {}
    watch.feed.connected(NOON)
    await watch.pass_seconds(1)

    assert watch.book.standing == {}


async def test_an_alarm_of_an_account_no_longer_connected_is_cleared() -> None:
    watch = Watch(an_account(session_state=SessionState.EXPIRED))
    watch.book.standing["account:account-1"] = {}
    watch.keeper.feeds.clear()
    await watch.pass_seconds(1)

    assert watch.book.standing == {}


async def test_an_alarm_that_was_not_written_is_raised_again() -> None:
    watch = Watch()
    watch.book.lost = True
    watch.feed.went_down(NOON, "the line broke")
    await watch.pass_seconds(16)
    watch.book.lost = False
    await watch.pass_seconds(12)

    assert "account:account-1" in watch.book.standing
