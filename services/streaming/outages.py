"""Raises FEED_DOWN for an account that is without its feed too long, and clears it again."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import Protocol

from libs.trading.accounts import Account, SessionState
from services.streaming.feeds import FeedKeeper
from services.streaming.held import HeldFeed

FEED_DOWN = "FEED_DOWN"
_CHANGES_PER_STEP_MAX = 200
_LOOK_AGAIN_STEPS = 10


class Alarms(Protocol):
    async def open(
        self, name: str, subject: str, *, user_id: str | None = None, **figures: str
    ) -> bool | None: ...

    async def clear(self, name: str, subject: str) -> bool | None: ...


class AlarmTable(Protocol):
    async def open_alarm_subjects(self, name: str) -> set[str]: ...


@dataclass(slots=True, kw_only=True)
class Outages:
    """One look per second over the feeds held here; Postgres is met only for a difference.

    An alarm may have been raised by the replica that held the account before, or not been written
    because Postgres was away: what is open is read again now and then.
    """

    table: AlarmTable
    alarms: Alarms
    keeper: FeedKeeper
    alarm_after_s: float = 15.0
    _open: set[str] = field(default_factory=set)
    _steps_to_look: int = 0

    async def step(self) -> None:
        if self._steps_to_look == 0:
            self._open = await self.table.open_alarm_subjects(FEED_DOWN)
            self._steps_to_look = _LOOK_AGAIN_STEPS
        self._steps_to_look -= 1
        for feed in list(islice(self._gone_too_long(), _CHANGES_PER_STEP_MAX)):
            await self._raise(feed)
        for subject in list(islice(self._over(), _CHANGES_PER_STEP_MAX)):
            await self.alarms.clear(FEED_DOWN, subject)
            self._open.discard(subject)

    async def _raise(self, feed: HeldFeed) -> None:
        await self.alarms.open(
            FEED_DOWN,
            subject_of(feed.account),
            user_id=feed.account.user_id,
            broker=feed.account.broker,
            state=feed.state.value,
            since=f"{feed.out_since:%Y-%m-%dT%H:%M:%SZ}",
            message=feed.message,
        )
        self._open.add(subject_of(feed.account))

    def _gone_too_long(self) -> Iterator[HeldFeed]:
        now = self.keeper.now()
        for feed in self.keeper.feeds.values():
            late = feed.out_for_longer_than(self.alarm_after_s, now)
            if late and subject_of(feed.account) not in self._open:
                yield feed

    def _over(self) -> Iterator[str]:
        if not self._open:
            return
        for account in self.keeper.accounts():
            if subject_of(account) in self._open and self.keeper.owns(account):
                feed = self.keeper.feeds.get(account.account_id)
                back = feed is not None and feed.out_since is None and feed.connections > 0
                if back or account.session_state is not SessionState.CONNECTED:
                    yield subject_of(account)


def subject_of(account: Account) -> str:
    return f"account:{account.account_id}"
