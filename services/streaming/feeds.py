"""Which feeds are held: one task per connected account of the shards this replica leases."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

import structlog

from libs.trading.accounts import Account, SessionState
from libs.trading.shards import shard_of
from services.streaming.held import FeedState, HeldFeed
from services.streaming.leases import Shard

log = structlog.get_logger()

_STOP_S_MAX = 3.0


@dataclass(slots=True, kw_only=True)
class FeedKeeper:
    """Starts and stops what `hold` does; the only one who knows the tasks.

    An account whose session ended stays on the board without a task, so that operators see it.
    A task that dies of our own mistake is started again after `restart_s`.
    """

    hold: Callable[[HeldFeed], Awaitable[None]]
    accounts: Callable[[], Iterable[Account]]
    now: Callable[[], datetime]
    brokers: frozenset[str]
    partitions: int
    restart_s: float = 15.0
    feeds: dict[str, HeldFeed] = field(default_factory=dict)
    ended: set[str] = field(default_factory=set)
    _owned: Mapping[Shard, int] = field(default_factory=dict)
    _tasks: dict[str, asyncio.Task[None]] = field(default_factory=dict)

    async def set_shards(self, owned: Mapping[Shard, int]) -> None:
        """Serve exactly these shards; returns when the lines of the others are closed."""
        self._owned = owned
        for feed in list(self.feeds.values()):
            if owned.get(self._place(feed.account)) != feed.epoch:
                del self.feeds[feed.account_id]
        await self._stop(set(self._tasks) - set(self.feeds))
        for account in self.accounts():
            self.consider(account)

    def consider(self, account: Account) -> None:
        """Look at a new or changed account: hold its feed, begin it anew, or let it go."""
        epoch = self._owned.get(self._place(account))
        if account.broker not in self.brokers or epoch is None:
            return
        if account.session_state is SessionState.DISCONNECTED:
            self._let_go(account.account_id)
            return
        feed = self.feeds.get(account.account_id)
        if feed is not None and feed.account.version >= account.version:
            return
        feed = self._placed(account, epoch, feed)
        if account.session_state is SessionState.CONNECTED:
            self._start(feed)
        else:
            self._cancel(account.account_id)
            feed.ended_by_owner(self.now(), f"the session is {account.session_state.lower()}")

    def reread(self, account_ids: Iterable[str]) -> None:
        for account_id in account_ids:
            if feed := self.feeds.get(account_id):
                feed.book_wanted.set()

    def owns(self, account: Account) -> bool:
        return self._place(account) in self._owned

    async def close(self) -> None:
        self.feeds.clear()
        await self._stop(set(self._tasks))

    def _place(self, account: Account) -> Shard:
        return account.broker, shard_of(account.account_id, self.partitions)

    def _placed(self, account: Account, epoch: int, feed: HeldFeed | None) -> HeldFeed:
        now = self.now()
        if feed is None:
            shard = shard_of(account.account_id, self.partitions)
            feed = HeldFeed(account=account, shard=shard, epoch=epoch, since=now)
            self.feeds[account.account_id] = feed
            self.ended.discard(account.account_id)
        else:
            feed.renew(account, now)
        return feed

    def _let_go(self, account_id: str) -> None:
        self._cancel(account_id)
        self.feeds.pop(account_id, None)
        # Also when it was not held here: another replica may have left its row on the board.
        self.ended.add(account_id)

    def _start(self, feed: HeldFeed) -> None:
        before = self._tasks.get(feed.account_id)
        if before:
            before.cancel()
        task = asyncio.create_task(self._hold_after(before, feed), name=f"feed-{feed.account_id}")
        self._tasks[feed.account_id] = task
        task.add_done_callback(lambda done: self._on_done(feed, done))

    async def _hold_after(self, before: asyncio.Task[None] | None, feed: HeldFeed) -> None:
        if before:  # One line at a time: the broker may allow no second one.
            await asyncio.wait([before], timeout=_STOP_S_MAX)
        await self.hold(feed)

    def _on_done(self, feed: HeldFeed, task: asyncio.Task[None]) -> None:
        if self._tasks.get(feed.account_id) is task:
            del self._tasks[feed.account_id]
        if task.cancelled():
            return
        error = task.exception()
        log.error("feed_task_failed", account_id=feed.account_id, exc_info=error)
        feed.went_down(self.now(), f"our mistake: {_named(error)}")
        asyncio.get_running_loop().call_later(self.restart_s, self._restart, feed)

    def _restart(self, feed: HeldFeed) -> None:
        wanted = self.feeds.get(feed.account_id) is feed and feed.state is FeedState.DOWN
        if wanted and feed.account_id not in self._tasks:
            self._start(feed)

    def _cancel(self, account_id: str) -> None:
        if task := self._tasks.get(account_id):
            task.cancel()

    async def _stop(self, account_ids: set[str]) -> None:
        tasks = [self._tasks[account_id] for account_id in account_ids]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=_STOP_S_MAX)


def _named(error: BaseException | None) -> str:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return type(error).__name__
