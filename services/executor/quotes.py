"""One price per signal: asked once for all its followers, with the session of any account here."""

import asyncio
import time
from collections import defaultdict, deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

import structlog

from libs.brokers.errors import BrokerError, RateLimited, SessionExpired
from libs.brokers.protocol import BrokerSession, MarketReader
from libs.trading.accounts import Environment
from libs.trading.quotes import Quote

log = structlog.get_logger()

# A fifth of the executor's 70 % of an account's requests, as its reads have.
_SHARE = 0.7 * 0.2
_MINUTE_S = 60.0
# Longer than anybody waits: what comes late still serves the next signal.
_ASK_MAX_S = 1.0
_TRIES_MAX = 3
_KNOWN_MAX = 1024

Key = tuple[Environment, str]


class Doors(Protocol):
    """The broker's market door of each environment; None where it shows no prices."""

    def market(self, environment: Environment) -> MarketReader | None: ...


class DataSessions(Protocol):
    """Sessions that may see prices: any of the accounts this process has."""

    def live(self, environment: Environment) -> Iterable[BrokerSession]: ...

    def refuse(self, session: BrokerSession) -> None: ...


class _Known(NamedTuple):
    """`asked_at` by the monotonic clock: a price is as old as the question."""

    quote: Quote
    asked_at: float


@dataclass(slots=True, kw_only=True)
class SharedQuotes:
    """`of` waits at most `wait_s` and never raises for a broker; a price is used for `fresh_s`."""

    sessions: DataSessions
    doors: Doors
    requests_per_minute_max: int
    wait_s: float = 0.3
    fresh_s: float = 2.0
    clock: Callable[[], float] = time.monotonic
    _known: dict[Key, _Known] = field(default_factory=dict)
    _asking: dict[Key, asyncio.Task[Quote | None]] = field(default_factory=dict)
    _taken: defaultdict[str, deque[float]] = field(default_factory=lambda: defaultdict(deque))
    _resting_until: dict[str, float] = field(default_factory=dict)

    async def of(self, instrument: str, environment: Environment) -> Quote | None:
        """Tell what an instrument costs now. None when that cannot be known in time.

        Paper accounts trade at the simulator's prices, live ones at the market's.
        """
        key = (environment, instrument)
        known = self._known.get(key)
        if known is not None and self.clock() - known.asked_at <= self.fresh_s:
            return known.quote
        asking = self._asking.get(key)
        if asking is None:
            asking = self._asking[key] = asyncio.create_task(self._ask(environment, instrument))
            asking.add_done_callback(lambda _: self._asking.pop(key, None))
        # Whoever waits no longer leaves the question to the others who do.
        answered, _ = await asyncio.wait({asking}, timeout=self.wait_s)
        if not answered or asking.cancelled():
            log.warning("quote_came_too_late", instrument=instrument, wait_s=self.wait_s)
            return None
        return asking.result()

    async def aclose(self) -> None:
        """Drop the questions under way."""
        asking = list(self._asking.values())
        for question in asking:
            question.cancel()
        await asyncio.gather(*asking, return_exceptions=True)

    async def _ask(self, environment: Environment, instrument: str) -> Quote | None:
        door = self.doors.market(environment)
        if door is None:
            return None
        try:
            async with asyncio.timeout(_ASK_MAX_S):
                return await self._try(door, environment, instrument)
        except TimeoutError:
            log.warning("quote_not_answered", instrument=instrument, after_s=_ASK_MAX_S)
            return None

    async def _try(
        self, door: MarketReader, environment: Environment, instrument: str
    ) -> Quote | None:
        """Ask with one session, and with another where the first one did not serve."""
        tried: set[str] = set()
        while len(tried) < _TRIES_MAX:
            session = self._next_session(environment, tried)
            if session is None:
                break
            tried.add(session.account_id)
            asked_at = self.clock()
            self._taken[session.account_id].append(asked_at)
            try:
                quotes = await door.quotes(session, [instrument])
            except BrokerError as error:
                self._learn(session, error, asked_at)
                continue
            quote = quotes.get(instrument)
            if quote is not None:
                self._keep((environment, instrument), _Known(quote, asked_at))
            return quote
        log.warning("quote_not_to_be_had", instrument=instrument, accounts_tried=len(tried))
        return None

    def _learn(self, session: BrokerSession, error: BrokerError, asked_at: float) -> None:
        if isinstance(error, SessionExpired):
            self.sessions.refuse(session)
        elif isinstance(error, RateLimited):
            self._resting_until[session.account_id] = asked_at + error.retry_after_s
        else:
            log.warning("quote_failed", account_id=session.account_id, error=str(error)[:200])

    def _next_session(self, environment: Environment, tried: set[str]) -> BrokerSession | None:
        now = self.clock()
        return next(
            (
                session
                for session in self.sessions.live(environment)
                if session.account_id not in tried and self._has_room(session.account_id, now)
            ),
            None,
        )

    def _has_room(self, account_id: str, now: float) -> bool:
        if now < self._resting_until.get(account_id, now):
            return False
        taken = self._taken[account_id]
        while taken and taken[0] <= now - _MINUTE_S:
            taken.popleft()
        return len(taken) < self.requests_per_minute_max * _SHARE

    def _keep(self, key: Key, known: _Known) -> None:
        self._known[key] = known
        if len(self._known) > _KNOWN_MAX:
            oldest = self.clock() - self.fresh_s
            self._known = {key: it for key, it in self._known.items() if it.asked_at >= oldest}
