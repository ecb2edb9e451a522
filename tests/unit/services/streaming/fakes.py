"""Brokers, clocks and tables that behave in one telling way each, for the tests of streaming."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from libs.brokers.errors import BrokerError, OutcomeUnknown
from libs.brokers.protocol import BrokerSession, FeedOpened, OrderGateway
from libs.trading.accounts import Account, Environment
from libs.trading.events import BrokerUpdate
from libs.trading.orders import OrderReport
from services.streaming.flow import FeedFlow, Pace
from services.streaming.held import HeldFeed
from services.streaming.waiting import ReadBudget
from tests.factories import NOON, an_account


def a_session(**changes: Any) -> BrokerSession:
    values: dict[str, Any] = {
        "account_id": "account-1",
        "client_id": "XB00001",
        "environment": Environment.PAPER,
        "expires_at": NOON + timedelta(hours=12),
        "secrets": {"access": "first"},
    }
    return BrokerSession(**(values | changes))


def a_feed(**changes: Any) -> HeldFeed:
    return HeldFeed(account=an_account(**changes), shard=0, epoch=1, since=NOON)


@dataclass
class StoppedTime:
    """Stands at noon; a wait moves it, except a wait for an event: that one waits for the event."""

    at: datetime = NOON
    waited: list[float] = field(default_factory=list)
    passing: asyncio.Event = field(default_factory=asyncio.Event)

    def now(self) -> datetime:
        return self.at

    def monotonic_s(self) -> float:
        return (self.at - NOON).total_seconds()

    async def wait(self, seconds: float, unless: asyncio.Event | None = None) -> bool:
        if unless is None:
            if seconds:
                self.waited.append(seconds)
            self.at += timedelta(seconds=seconds)
            await asyncio.sleep(0)
            return False
        return await self._either(unless)

    def let_pass(self) -> None:
        """Let every wait for an event end without it."""
        self.passing.set()

    async def _either(self, event: asyncio.Event) -> bool:
        waits = {asyncio.create_task(event.wait()), asyncio.create_task(self.passing.wait())}
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
        self.passing.clear()
        return event.is_set()


class FeedThatStays:
    """Opens, says what it was given, and stays open."""

    def __init__(self, *words: OrderReport | FeedOpened) -> None:
        self.words = words
        self.opened_with: list[BrokerSession] = []
        self.open_now = 0
        self.open_max = 0

    async def updates(self, session: BrokerSession) -> AsyncIterator[OrderReport | FeedOpened]:
        self.opened_with.append(session)
        self.open_now += 1
        self.open_max = max(self.open_max, self.open_now)
        try:
            yield FeedOpened()
            for word in self.words:
                yield word
            await self.end()
        finally:
            self.open_now -= 1

    async def end(self) -> None:
        await asyncio.Event().wait()

    async def aclose(self) -> None:
        return None


class FeedThatBreaks(FeedThatStays):
    """Opens and breaks so many times, then stays."""

    def __init__(self, times: int, error: BrokerError | None = None) -> None:
        super().__init__()
        self.times = times
        self.error = error or OutcomeUnknown("the line broke")

    async def end(self) -> None:
        for _ in range(50):  # Long enough for the book to have been read.
            await asyncio.sleep(0)
        if len(self.opened_with) <= self.times:
            raise self.error
        await super().end()


class FeedThatRefuses(FeedThatStays):
    """Takes no session but one."""

    def __init__(self, error: BrokerError, taken: BrokerSession | None = None) -> None:
        super().__init__()
        self.error = error
        self.taken = taken

    async def updates(self, session: BrokerSession) -> AsyncIterator[OrderReport | FeedOpened]:
        self.opened_with.append(session)
        if session != self.taken:
            raise self.error
        yield FeedOpened()
        await self.end()


class FeedThatNeverOpens(FeedThatStays):
    """Takes the connection and says nothing."""

    async def updates(self, session: BrokerSession) -> AsyncIterator[OrderReport | FeedOpened]:
        self.opened_with.append(session)
        await asyncio.Event().wait()
        yield FeedOpened()


class Book:
    """An order book; each entry of `reads` is one answer, the last one stays."""

    def __init__(self, *reads: list[OrderReport] | BrokerError) -> None:
        self.reads = list(reads) or [[]]
        self.read_times = 0

    async def order_book(self, session: BrokerSession) -> list[OrderReport]:
        answer = self.reads[min(self.read_times, len(self.reads) - 1)]
        self.read_times += 1
        if isinstance(answer, BrokerError):
            raise answer
        return answer


class BookWithMissedFill(Book):
    """Shows an order open at first, and filled after the line was away."""

    def __init__(self, order: OrderReport, filled: OrderReport) -> None:
        super().__init__([order], [filled])


@dataclass
class OneBroker:
    line: FeedThatStays
    book: Any = field(default_factory=Book)

    def feed(self, account: Account) -> FeedThatStays:
        return self.line

    def orders(self, account: Account) -> OrderGateway:
        orders: OrderGateway = self.book
        return orders

    def book_budget(self, account: Account) -> ReadBudget:
        return ReadBudget(per_second=1, burst=3)


@dataclass
class SessionsAtHand:
    """Answers with each of `sessions` in turn, the last one stays."""

    sessions: Sequence[BrokerSession | None] = field(default_factory=lambda: [a_session()])
    asked: int = 0

    async def session_of(self, account: Account) -> BrokerSession | None:
        answer = self.sessions[min(self.asked, len(self.sessions) - 1)]
        self.asked += 1
        return answer


@dataclass
class CollectedUpdates:
    told: list[BrokerUpdate] = field(default_factory=list)

    def offer(self, update: BrokerUpdate) -> None:
        self.told.append(update)

    async def hand_over(self, updates: Sequence[BrokerUpdate]) -> None:
        self.told += updates


@dataclass
class Scene:
    """One flow over one broker, and what came of it."""

    broker: OneBroker
    sessions: SessionsAtHand = field(default_factory=SessionsAtHand)
    time: StoppedTime = field(default_factory=StoppedTime)
    updates: CollectedUpdates = field(default_factory=CollectedUpdates)
    pace: Pace = field(default_factory=Pace)

    @property
    def flow(self) -> FeedFlow:
        return FeedFlow(
            sessions=self.sessions,
            doors=self.broker,
            updates=self.updates,
            time=self.time,
            pace=self.pace,
        )

    async def until(self, feed: HeldFeed, settled: Any) -> None:
        """Hold the feed until something is so, then let go."""
        task = asyncio.create_task(self.flow.hold(feed))
        await so(settled, unless=task)
        task.cancel()
        await asyncio.wait([task])


async def so(settled: Any, unless: asyncio.Task[None] | None = None) -> None:
    """Let everything run until `settled()`; fail after many turns instead of waiting for ever."""
    for _ in range(2_000):
        if unless is not None and unless.done():
            await unless
        if settled():
            return
        await asyncio.sleep(0)
    raise AssertionError("it never came to that")


class MemoryLeases:
    """The lease table of several replicas, on a clock the test moves."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self.leases: dict[tuple[str, int], tuple[str, int, float]] = {}
        self.seen: dict[str, float] = {}

    async def heartbeat(self, owner: str, alive_s: float) -> list[str]:
        self.seen[owner] = self.now_s
        return [name for name, at in self.seen.items() if at > self.now_s - alive_s]

    async def renew(self, owner: str, lease_s: float) -> dict[tuple[str, int], int]:
        mine = {s: epoch for s, (name, epoch, _) in self.leases.items() if name == owner}
        for shard, epoch in mine.items():
            self.leases[shard] = (owner, epoch, self.now_s + lease_s)
        return mine

    async def take(
        self, owner: str, broker: str, *, partitions: int, count_max: int, lease_s: float
    ) -> dict[tuple[str, int], int]:
        taken: dict[tuple[str, int], int] = {}
        for number in range(partitions):
            _, epoch, until = self.leases.get((broker, number), ("", 0, 0.0))
            if until <= self.now_s and len(taken) < count_max:
                taken[broker, number] = epoch + 1
                self.leases[broker, number] = (owner, epoch + 1, self.now_s + lease_s)
        return taken

    async def release(self, owner: str, shards: Sequence[tuple[str, int]]) -> None:
        for shard in shards:
            self.leases[shard] = ("", self.leases[shard][1], self.now_s)

    async def leave(self, owner: str) -> None:
        await self.release(owner, [s for s, lease in self.leases.items() if lease[0] == owner])
        self.seen.pop(owner, None)

    def owners(self) -> Mapping[tuple[str, int], str]:
        return {shard: lease[0] for shard, lease in self.leases.items()}
