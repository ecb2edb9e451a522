"""The board operators read at `/feeds`: what every replica says about its feeds, in one table."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from services.streaming import metrics
from services.streaming.feeds import FeedKeeper
from services.streaming.held import FeedState, HeldFeed


class FeedTable(Protocol):
    async def show_feeds(self, owner: str, feeds: Sequence[HeldFeed]) -> None: ...

    async def remove_feeds(self, account_ids: Sequence[str]) -> None: ...


@dataclass(slots=True, kw_only=True)
class FeedBoard:
    """Writes changes of state at every step, the time of the last message every few seconds."""

    table: FeedTable
    keeper: FeedKeeper
    owner: str
    refresh: timedelta = timedelta(seconds=5)
    _refreshed_at: datetime | None = None

    async def step(self) -> None:
        now = self.keeper.now()
        refresh = self._refreshed_at is None or now - self._refreshed_at >= self.refresh
        feeds = list(self.keeper.feeds.values())
        await self._show([f for f in feeds if f.to_show or (refresh and _has_heard_since(f))])
        await self._remove_ended()
        if refresh:
            self._refreshed_at = now
        self._count(feeds)

    async def _show(self, feeds: Sequence[HeldFeed]) -> None:
        if not feeds:
            return
        # Before the write: what changes while it runs is shown by the next step.
        for feed in feeds:
            feed.to_show = False
            feed.shown_message_at = feed.last_message_at
        try:
            await self.table.show_feeds(self.owner, feeds)
        except BaseException:
            for feed in feeds:
                feed.to_show = True
            raise

    async def _remove_ended(self) -> None:
        ended = list(self.keeper.ended)
        if ended:
            await self.table.remove_feeds(ended)
            self.keeper.ended.difference_update(ended)

    def _count(self, feeds: Iterable[HeldFeed]) -> None:
        counts = Counter((feed.account.broker, feed.state) for feed in feeds)
        for broker in self.keeper.brokers:
            for state in FeedState:
                metrics.FEEDS.labels(broker, state).set(counts[broker, state])


def _has_heard_since(feed: HeldFeed) -> bool:
    return feed.shown_message_at != feed.last_message_at
