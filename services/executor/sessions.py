"""Broker sessions of the owned accounts, opened and in memory, so that no send waits for one."""

import asyncio
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

import structlog

from libs.brokers.protocol import BrokerSession
from libs.runtime.internal_client import OpenedSession
from libs.trading.accounts import Account, Environment, SessionState

log = structlog.get_logger()

# A session that was refused or is missing is asked for again no sooner than this.
_ASK_AGAIN_S = 5.0


class Source(Protocol):
    """Where sessions come from: `libs.runtime.internal_client.SessionSource`."""

    async def sessions(
        self, account_ids: Sequence[str], broker: str
    ) -> dict[str, OpenedSession]: ...


class _Opened(NamedTuple):
    """`expires_at` in seconds of `time.time()`: it is compared for every order."""

    version: int
    session: BrokerSession
    expires_at: float


@dataclass(slots=True)
class Sessions:
    """What is wanted is fetched in the background and in bulk; `get` never waits."""

    source: Source
    broker: str
    _open: dict[str, _Opened] = field(default_factory=dict)
    _refused: dict[str, int] = field(default_factory=dict)
    _asked_at: dict[str, float] = field(default_factory=dict)
    _wanted: set[str] = field(default_factory=set)
    _woken: asyncio.Event = field(default_factory=asyncio.Event)

    def get(self, account_id: str) -> BrokerSession | None:
        """Hand out a session that has not run out by our clock."""
        known = self._open.get(account_id)
        if known is None or known.expires_at <= time.time():
            return None
        return known.session

    def live(self, environment: Environment) -> Iterator[BrokerSession]:
        """Go through the sessions of an environment that have not run out; not across an await."""
        now = time.time()
        for known in self._open.values():
            if known.session.environment is environment and known.expires_at > now:
                yield known.session

    async def load(self, account_ids: Sequence[str]) -> list[BrokerSession]:
        """Fetch sessions now; accounts without one are simply missing. Return the new ones."""
        found = await self.source.sessions(account_ids, self.broker) if account_ids else {}
        fresh = []
        for account_id, opened in found.items():
            session = _session(opened)
            if session is not None and opened.version > self._refused.get(account_id, -1):
                expires_at = session.expires_at.timestamp()
                self._open[account_id] = _Opened(opened.version, session, expires_at)
                fresh.append(session)
        return fresh

    def learn(self, account: Account) -> None:
        """Follow an account's new state: want the new session, or forget the old one at once."""
        if account.session_state is SessionState.CONNECTED:
            self._wanted.add(account.account_id)
            self._woken.set()
        else:
            self._open.pop(account.account_id, None)

    def want(self, account_ids: Iterable[str]) -> None:
        """Ask for missing sessions, each account at most every few seconds."""
        now = time.monotonic()
        due = {
            id_
            for id_ in account_ids
            if now - self._asked_at.get(id_, -_ASK_AGAIN_S) >= _ASK_AGAIN_S
        }
        self._asked_at |= dict.fromkeys(due, now)
        if due:
            self._wanted |= due
            self._woken.set()

    async def fetch_wanted(self, on_fresh: Callable[[list[BrokerSession]], None]) -> None:
        """Fetch what was asked for, for ever; `on_fresh` hears what came."""
        while True:
            await self._woken.wait()
            self._woken.clear()
            wanted, self._wanted = list(self._wanted), set()
            fresh = await self.load(wanted)
            if fresh:
                on_fresh(fresh)

    def refuse(self, session: BrokerSession) -> None:
        """Forget a session the broker no longer takes, until a newer one comes.

        A late refusal of an older session says nothing about the one we have now.
        """
        known = self._open.get(session.account_id)
        if known is not None and known.session is session:
            del self._open[session.account_id]
            self._refused[session.account_id] = known.version
            log.warning("session_refused_by_broker", account_id=session.account_id)

    def refused(self) -> dict[str, dict[str, str]]:
        """Name the accounts whose session the broker refused and that got no newer one yet."""
        return {
            f"account:{account_id}": {"version": str(version)}
            for account_id, version in self._refused.items()
            if account_id not in self._open
        }

    def forget(self, account_ids: Iterable[str]) -> None:
        for account_id in account_ids:
            self._open.pop(account_id, None)
            self._refused.pop(account_id, None)
            self._asked_at.pop(account_id, None)


def _session(opened: OpenedSession) -> BrokerSession | None:
    if opened.expires_at is None:
        return None
    return BrokerSession(
        account_id=opened.account_id,
        client_id=opened.client_id,
        environment=Environment(opened.environment),
        expires_at=opened.expires_at,
        egress=opened.egress,
        secrets=opened.secrets,
    )
