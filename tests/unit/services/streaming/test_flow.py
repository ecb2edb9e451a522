"""One account's feed: opened, book read, passed on, and back after every kind of break."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from libs.brokers.errors import OutcomeUnknown, RateLimited, SessionExpired
from libs.trading.accounts import Environment
from libs.trading.events import UpdateSource
from libs.trading.orders import OrderReport, OrderStatus
from services.streaming.flow import Pace
from services.streaming.held import FeedState
from tests.factories import NOON, a_report
from tests.unit.services.streaming.fakes import (
    Book,
    BookWithMissedFill,
    FeedThatBreaks,
    FeedThatNeverOpens,
    FeedThatRefuses,
    FeedThatStays,
    OneBroker,
    Scene,
    SessionsAtHand,
    a_feed,
    a_session,
    so,
)

OPEN = a_report()
FILLED = replace(OPEN, status=OrderStatus.FILLED, filled_quantity=10)


def said(scene: Scene) -> list[tuple[UpdateSource, OrderReport]]:
    return [(update.source, update.report) for update in scene.updates.told]


async def test_the_whole_book_is_told_after_opening_and_reports_as_they_come() -> None:
    scene = Scene(OneBroker(FeedThatStays(FILLED), Book([OPEN, a_report(broker_order_id="2")])))
    feed = a_feed()

    await scene.until(feed, lambda: len(scene.updates.told) == 3)

    assert (UpdateSource.FEED, FILLED) in said(scene)
    assert [r for s, r in said(scene) if s is UpdateSource.BOOK] == [
        OPEN,
        a_report(broker_order_id="2"),
    ]
    assert {update.account_id for update in scene.updates.told} == {"account-1"}
    assert feed.state is FeedState.CONNECTED


async def test_a_fill_missed_while_the_line_was_away_comes_from_the_book() -> None:
    broker = OneBroker(FeedThatBreaks(times=1), BookWithMissedFill(OPEN, FILLED))
    scene = Scene(broker)
    feed = a_feed()

    await scene.until(feed, lambda: (UpdateSource.BOOK, FILLED) in said(scene))

    assert len(broker.line.opened_with) == 2
    assert feed.reconnects == 1
    assert broker.line.open_now == 0


async def test_every_break_waits_longer_up_to_a_bound_and_is_spread_by_chance() -> None:
    scene = Scene(OneBroker(FeedThatRefuses(OutcomeUnknown("nobody there"))))

    await scene.until(a_feed(), lambda: len(scene.time.waited) >= 12)

    waits = scene.time.waited[:12]
    assert 0.25 <= waits[0] <= 0.5
    assert 7.5 <= waits[-1] <= 15
    assert all(wait <= 15 for wait in waits)


async def test_a_line_that_held_long_is_back_soon_after_it_breaks() -> None:
    scene = Scene(OneBroker(FeedThatStays()))
    feed = a_feed()
    feed.failures = 9
    feed.connected(NOON)

    feed.went_down(NOON + timedelta(minutes=5), "the line broke")

    assert feed.failures == 1
    assert scene.time.waited == []


async def test_a_refused_session_is_never_tried_again() -> None:
    refused, renewed = a_session(), a_session(secrets={"access": "second"})
    line = FeedThatRefuses(SessionExpired("log in first"), taken=renewed)
    book = Book(SessionExpired("log in first"), [])
    scene = Scene(OneBroker(line, book), SessionsAtHand([refused] * 5 + [renewed]))
    feed = a_feed()

    await scene.until(feed, lambda: feed.state is FeedState.CONNECTED)

    assert line.opened_with == [refused, renewed]
    assert scene.time.waited == [15.0] * 4


async def test_a_feed_that_refuses_a_session_the_book_takes_is_only_down() -> None:
    line = FeedThatRefuses(SessionExpired("HTTP 403"))
    scene = Scene(OneBroker(line, Book([FILLED])))
    feed = a_feed()

    await scene.until(feed, lambda: len(line.opened_with) == 3)

    assert feed.state is FeedState.DOWN
    assert said(scene) == [(UpdateSource.BOOK, FILLED)]


async def test_a_session_past_its_end_is_not_shown_to_the_broker() -> None:
    line = FeedThatStays()
    scene = Scene(OneBroker(line), SessionsAtHand([a_session(expires_at=NOON)]))
    feed = a_feed()

    await scene.until(feed, lambda: len(scene.time.waited) > 2)

    assert line.opened_with == []
    assert feed.state is FeedState.EXPIRED


async def test_without_a_session_the_feed_is_down_and_asks_again() -> None:
    scene = Scene(OneBroker(FeedThatStays()), SessionsAtHand([None, None, a_session()]))
    feed = a_feed()

    await scene.until(feed, lambda: feed.state is FeedState.CONNECTED)

    assert len(scene.time.waited) == 2


async def test_a_session_of_the_other_environment_is_not_shown_to_the_broker() -> None:
    line = FeedThatStays()
    live = a_session(environment=Environment.LIVE)
    scene = Scene(OneBroker(line), SessionsAtHand([live]))
    feed = a_feed()

    await scene.until(feed, lambda: len(scene.time.waited) > 2)

    assert line.opened_with == []
    assert feed.state is FeedState.DOWN


async def test_a_session_the_book_refuses_ends_the_line_too() -> None:
    refused, renewed = a_session(), a_session(secrets={"access": "second"})
    ended = SessionExpired("log in first")
    book = Book(ended, ended, [OPEN])
    scene = Scene(OneBroker(FeedThatStays(), book), SessionsAtHand([refused, refused, renewed]))

    await scene.until(a_feed(), lambda: (UpdateSource.BOOK, OPEN) in said(scene))

    assert scene.broker.line.opened_with == [refused, renewed]


async def test_a_book_that_cannot_be_read_is_read_again_while_the_line_stays() -> None:
    book = Book(OutcomeUnknown("half an answer"), RateLimited("slow", retry_after_s=40), [OPEN])
    scene = Scene(OneBroker(FeedThatStays(), book))

    await scene.until(a_feed(), lambda: (UpdateSource.BOOK, OPEN) in said(scene))

    assert len(scene.broker.line.opened_with) == 1
    assert 40 in scene.time.waited


async def test_a_book_read_unasked_tells_only_what_is_new() -> None:
    other = a_report(broker_order_id="2")
    scene = Scene(OneBroker(FeedThatStays(), Book([OPEN, other], [FILLED, other])))
    feed = a_feed()

    def second_read() -> bool:
        if len(scene.updates.told) == 2:
            scene.time.let_pass()
        return len(scene.updates.told) > 2

    await scene.until(feed, second_read)

    assert said(scene)[2:] == [(UpdateSource.BOOK, FILLED)]


async def test_a_book_asked_for_is_told_whole_again() -> None:
    scene = Scene(OneBroker(FeedThatStays(), Book([OPEN])))
    feed = a_feed()

    def told_again() -> bool:
        if len(scene.updates.told) == 1:
            feed.book_wanted.set()
        return len(scene.updates.told) >= 2

    await scene.until(feed, told_again)

    assert said(scene)[:2] == [(UpdateSource.BOOK, OPEN)] * 2


async def test_while_the_feed_stays_away_the_book_still_tells_of_fills() -> None:
    line = FeedThatRefuses(OutcomeUnknown("nobody there"))
    scene = Scene(OneBroker(line, Book([FILLED])), pace=Pace(blind_after_s=15))
    feed = a_feed()

    await scene.until(feed, lambda: bool(scene.updates.told))

    assert feed.out_for_longer_than(15, scene.time.now())
    assert said(scene) == [(UpdateSource.BOOK, FILLED)]


async def test_a_feed_that_never_opens_is_given_up_and_the_reason_kept() -> None:
    line = FeedThatNeverOpens()
    scene = Scene(OneBroker(line), pace=Pace(connect_s_max=0.001))
    feed = a_feed()

    task = asyncio.create_task(scene.flow.hold(feed))
    for _ in range(2_000):
        if feed.state is FeedState.DOWN:
            break
        await asyncio.sleep(0.001)
    task.cancel()
    await asyncio.wait([task])

    assert feed.message == "the feed did not open"


async def test_only_so_many_connect_at_once() -> None:
    line = FeedThatNeverOpens()
    scene = Scene(OneBroker(line), pace=Pace(connects_at_once=2))
    flow = scene.flow
    feeds = [a_feed(account_id=f"account-{number}") for number in range(5)]

    tasks = [asyncio.create_task(flow.hold(feed)) for feed in feeds]
    await so(lambda: len(line.opened_with) == 2)
    for _ in range(50):
        await asyncio.sleep(0)
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)

    assert len(line.opened_with) == 2
    assert sum(feed.out_since is not None for feed in feeds) == 2


async def test_a_mistake_of_ours_is_not_taken_for_the_brokers() -> None:
    class FeedOfNonsense(FeedThatStays):
        async def end(self) -> None:
            raise ZeroDivisionError

    scene = Scene(OneBroker(FeedOfNonsense()))

    with pytest.raises(BaseExceptionGroup):
        await scene.flow.hold(a_feed())
