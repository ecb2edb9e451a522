"""From a broker's order feed to the bus: open, read the book, pass on, come back after a break."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

import structlog

from libs.brokers.errors import BrokerError, OutcomeUnknown, RateLimited, SessionExpired
from libs.brokers.protocol import BrokerSession, FeedOpened, OrderFeed, OrderGateway
from libs.trading.accounts import Account
from libs.trading.events import BrokerUpdate, UpdateSource
from libs.trading.orders import OrderReport
from services.streaming import metrics
from services.streaming.held import HeldFeed
from services.streaming.waiting import ReadBudget, reconnect_delay_s

log = structlog.get_logger()


class Sessions(Protocol):
    async def session_of(self, account: Account) -> BrokerSession | None:
        """Return the newest session; None while there is none or nobody can be asked."""


class Doors(Protocol):
    def feed(self, account: Account) -> OrderFeed: ...

    def orders(self, account: Account) -> OrderGateway: ...

    def book_budget(self, account: Account) -> ReadBudget: ...


class Updates(Protocol):
    def offer(self, update: BrokerUpdate) -> None:
        """Never waits. What cannot be kept marks its account: the book is read again later."""

    async def hand_over(self, updates: Sequence[BrokerUpdate]) -> None:
        """Wait for room, bounded by the bus: while it is away this is as `offer`."""


class Time(Protocol):
    def now(self) -> datetime: ...

    def monotonic_s(self) -> float: ...

    async def wait(self, seconds: float, unless: asyncio.Event | None = None) -> bool: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """Bounds of this process towards brokers; seconds and how many at once."""

    connects_at_once: int = 20
    book_reads_at_once: int = 16
    connect_s_max: float = 10
    expired_recheck_s: float = 15
    book_reread_s: float = 60
    book_reread_idle_s: float = 300
    blind_after_s: float = 15


@dataclass(slots=True, kw_only=True)
class FeedFlow:
    """What happens to the feed of one account, for as long as its task lives."""

    sessions: Sessions
    doors: Doors
    updates: Updates
    time: Time
    pace: Pace = field(default_factory=Pace)
    _doorways: defaultdict[str, asyncio.Semaphore] = field(init=False)
    _reading_rooms: defaultdict[str, asyncio.Semaphore] = field(init=False)

    def __post_init__(self) -> None:
        # One each per broker: a broker that hangs must not keep the others' accounts waiting.
        self._doorways = defaultdict(lambda: asyncio.Semaphore(self.pace.connects_at_once))
        self._reading_rooms = defaultdict(lambda: asyncio.Semaphore(self.pace.book_reads_at_once))

    async def hold(self, feed: HeldFeed) -> None:
        """Open the feed and open it again, until cancelled. Errors of the broker end in a wait."""
        budget = self.doors.book_budget(feed.account)
        while True:
            session = await self.usable_session(feed)
            try:
                await self.listen(feed, session, budget)
            except* BrokerError as broken:
                await self.recover(feed, session, _worst(broken), budget)

    async def usable_session(self, feed: HeldFeed) -> BrokerSession:
        """Wait for a session that the broker has not refused yet."""
        while True:
            session = await self.sessions.session_of(feed.account)
            now = self.time.now()
            if session is None or session.environment is not feed.account.environment:
                feed.went_down(now, "no session to be had")
                await self.time.wait(reconnect_delay_s(feed.failures))
            elif session == feed.refused or session.expires_at <= now:
                feed.expired(now, session, feed.message or "the session has ended")
                await self.time.wait(self.pace.expired_recheck_s)
            else:
                return session

    async def listen(self, feed: HeldFeed, session: BrokerSession, budget: ReadBudget) -> None:
        """Be connected: pass reports on and keep the book read, until one of them breaks."""
        async with self.opened(feed, session) as heard, asyncio.TaskGroup() as together:
            feed.connected(self.time.now())
            feed.book_wanted.set()
            metrics.CONNECTED.labels(feed.account.broker).inc()
            log.info("feed_connected", account_id=feed.account_id, reconnects=feed.reconnects)
            together.create_task(self.keep_book(feed, session, budget))
            together.create_task(self.pass_on(feed, heard))

    @asynccontextmanager
    async def opened(
        self, feed: HeldFeed, session: BrokerSession
    ) -> AsyncGenerator[AsyncIterator[OrderReport | FeedOpened]]:
        """Connect, few at a time, and wait for the feed's first word: that it is subscribed."""
        heard = self.doors.feed(feed.account).updates(session)
        try:
            async with self._doorways[feed.account.broker]:
                feed.trying(self.time.now())
                try:
                    async with asyncio.timeout(self.pace.connect_s_max):
                        await anext(heard)
                except (TimeoutError, StopAsyncIteration) as error:
                    raise OutcomeUnknown("the feed did not open") from error
            yield heard
        finally:
            if isinstance(heard, AsyncGenerator):
                await heard.aclose()

    async def pass_on(self, feed: HeldFeed, heard: AsyncIterator[OrderReport | FeedOpened]) -> None:
        async for word in heard:
            feed.heard(self.time.now())
            if isinstance(word, FeedOpened):
                feed.book_wanted.set()
                continue
            feed.remember(word)
            self.updates.offer(self._update(feed, UpdateSource.FEED, word))
        raise OutcomeUnknown("the feed ended")

    async def keep_book(self, feed: HeldFeed, session: BrokerSession, budget: ReadBudget) -> None:
        """Read the book whenever it is wanted; now and then unasked, for the news in it."""
        while True:
            idle_s = self.pace.book_reread_idle_s
            soon_s = self.pace.book_reread_s if feed.has_working_orders() else idle_s
            wanted = await self.time.wait(soon_s, feed.book_wanted)
            feed.book_wanted.clear()
            while not await self.read_book(feed, session, budget, whole=wanted):
                wanted = True

    async def read_book(
        self, feed: HeldFeed, session: BrokerSession, budget: ReadBudget, *, whole: bool
    ) -> bool:
        """Read the account's order book and publish it. False when it has to be tried again."""
        await self.time.wait(budget.take(self.time.monotonic_s()))
        try:
            async with self._reading_rooms[feed.account.broker]:
                rows = await self.doors.orders(feed.account).order_book(session)
        except SessionExpired:
            raise
        except BrokerError as error:
            metrics.BOOK_READS.labels(feed.account.broker, "failed").inc()
            log.warning("book_not_read", account_id=feed.account_id, problem=str(error))
            await self.time.wait(_pause_s(error, failures=3))
            return False
        metrics.BOOK_READS.labels(feed.account.broker, "read").inc()
        news = feed.remember_book(rows)
        told = rows if whole else news
        await self.updates.hand_over([self._update(feed, UpdateSource.BOOK, row) for row in told])
        return True

    async def recover(
        self, feed: HeldFeed, session: BrokerSession, error: BrokerError, budget: ReadBudget
    ) -> None:
        """Write down why the line broke and wait; a refused session is not tried again."""
        now = self.time.now()
        feed.went_down(now, str(error))
        # The first break of many is news, a broker that stays away is an alarm's business.
        speak = log.warning if feed.failures == 1 else log.debug
        speak("feed_broke", account_id=feed.account_id, problem=str(error))
        refused = isinstance(error, SessionExpired)
        blind = feed.out_for_longer_than(self.pace.blind_after_s, now)
        # A feed may refuse while the broker's doors are repaired: only both together are an end.
        # And while the feed stays away the book still tells of fills, once per attempt.
        taken = (refused or blind) and await self.book_takes(feed, session, budget)
        if refused and not taken:
            feed.expired(self.time.now(), session, str(error))
            log.warning("feed_session_refused", account_id=feed.account_id)
            return
        await self.time.wait(_pause_s(error, feed.failures))

    async def book_takes(self, feed: HeldFeed, session: BrokerSession, budget: ReadBudget) -> bool:
        """Read the book beside a feed that is away; False when it cannot be read either."""
        try:
            return await self.read_book(feed, session, budget, whole=False)
        except SessionExpired:
            return False

    def _update(self, feed: HeldFeed, source: UpdateSource, report: OrderReport) -> BrokerUpdate:
        return BrokerUpdate(
            account_id=feed.account_id,
            broker=feed.account.broker,
            source=source,
            received_at=self.time.now(),
            report=report,
        )


def _worst(broken: BaseExceptionGroup[BrokerError]) -> BrokerError:
    """Of several errors at once, the one that forbids another try comes first."""
    flat: list[BrokerError] = []
    for error in broken.exceptions:
        flat += [_worst(error)] if isinstance(error, BaseExceptionGroup) else [error]
    return next((error for error in flat if isinstance(error, SessionExpired)), flat[0])


def _pause_s(error: BrokerError, failures: int) -> float:
    asked_s = error.retry_after_s if isinstance(error, RateLimited) else 0.0
    return max(asked_s, reconnect_delay_s(failures))
