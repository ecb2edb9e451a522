"""Reads of one account at its broker, within the share of its limits left to reconciliation."""

import asyncio
import time
from collections import defaultdict, deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol, TypeVar

import structlog

from libs.brokers.errors import BrokerError, SessionExpired
from libs.brokers.protocol import AccountReader, BrokerSession, OrderGateway
from libs.trading.accounts import Environment
from libs.trading.orders import Funds, Holding, OrderReport, Position, Trade
from services.executor.sessions import Sessions

# A fifth of the executor's 70 % of an account's requests; half of it for what can wait, so that a
# doubt always finds room.
_SHARE = 0.7 * 0.2
_MINUTE_S = 60.0
# Few enough that reading never crowds out sending, enough that one slow account delays nobody.
_AT_ONCE = 16

T = TypeVar("T")

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Unreadable:
    """A read that brought nothing. `session_lost` when the account has no session any more."""

    message: str
    session_lost: bool = False


class Doors(Protocol):
    """The broker's doors of each environment."""

    def of(self, environment: Environment) -> OrderGateway: ...

    def account(self, environment: Environment) -> AccountReader: ...


@dataclass(slots=True, kw_only=True)
class AccountReads:
    """Complete reads or `Unreadable`; never raises for a broker."""

    sessions: Sessions
    doors: Doors
    requests_per_minute_max: int
    _taken: defaultdict[str, deque[float]] = field(default_factory=lambda: defaultdict(deque))
    _room: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(_AT_ONCE))

    async def book(
        self, account_id: str, *, urgent: bool = False
    ) -> Sequence[OrderReport] | Unreadable:
        return await self._read(
            account_id, urgent, lambda doors, s: doors.of(s.environment).order_book(s)
        )

    async def trades(
        self, account_id: str, *, urgent: bool = False
    ) -> Sequence[Trade] | Unreadable:
        return await self._read(
            account_id, urgent, lambda doors, s: doors.account(s.environment).trade_book(s)
        )

    async def positions(
        self, account_id: str, *, urgent: bool = False
    ) -> Sequence[Position] | Unreadable:
        return await self._read(
            account_id, urgent, lambda doors, s: doors.account(s.environment).positions(s)
        )

    async def funds(self, account_id: str) -> Funds | Unreadable:
        return await self._read(
            account_id, False, lambda doors, s: doors.account(s.environment).funds(s)
        )

    async def holdings(self, account_id: str) -> Sequence[Holding] | Unreadable:
        return await self._read(
            account_id, False, lambda doors, s: doors.account(s.environment).holdings(s)
        )

    async def _read(
        self,
        account_id: str,
        urgent: bool,
        door: Callable[[Doors, BrokerSession], Awaitable[T]],
    ) -> T | Unreadable:
        session = self.sessions.get(account_id)
        if session is None:
            self.sessions.want([account_id])
            return Unreadable(message="there is no session to read with", session_lost=True)
        share = _SHARE if urgent else _SHARE / 2
        if not self._within(share, account_id, time.monotonic()):
            return Unreadable(message="the reads of this minute are used up")
        async with self._room:
            try:
                return await door(self.doors, session)
            except SessionExpired as error:
                self.sessions.refuse(session)
                return Unreadable(message=str(error), session_lost=True)
            except BrokerError as error:
                return Unreadable(message=str(error))

    def _within(self, share: float, account_id: str, now: float) -> bool:
        taken = self._taken[account_id]
        while taken and taken[0] <= now - _MINUTE_S:
            taken.popleft()
        if len(taken) >= self.requests_per_minute_max * share:
            return False
        taken.append(now)
        return True


@dataclass(slots=True)
class Errands:
    """Background work, one at a time per subject; what was started is cancelled with `run`."""

    _running: dict[str, asyncio.Task[None]] = field(default_factory=dict)

    def start(self, subject: str, errand: Callable[[], Awaitable[None]]) -> None:
        """Begin, unless the same is under way: a slow read is not started a second time."""
        if subject not in self._running:
            task = asyncio.ensure_future(errand())
            self._running[subject] = task
            task.add_done_callback(partial(self._ended, subject))

    def _ended(self, subject: str, task: asyncio.Task[None]) -> None:
        self._running.pop(subject, None)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("errand_failed", subject=subject, exc_info=error)

    async def run(self) -> None:
        """Hold on to what runs until cancelled."""
        try:
            await asyncio.Event().wait()
        finally:
            running = list(self._running.values())
            for task in running:
                task.cancel()
            if running:
                await asyncio.wait(running)
