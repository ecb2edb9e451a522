"""What keeps a request here, as far as this process knows: session, market, clock, breaker, pace.

Asked before a request is claimed; the ledger's own clauses have the last word (claiming.py).
"""

import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from libs.brokers.errors import (
    AnswerUnreadable,
    BrokerError,
    NotSent,
    NoWayOut,
    RateLimited,
    SessionExpired,
)
from libs.trading.accounts import Environment
from libs.trading.market import Request, RequestKind
from libs.trading.reasons import HoldReason, SkipReason
from services.executor.breaches import Breaches
from services.executor.breaker import Breaker, BreakerState
from services.executor.clock import DatabaseClock
from services.executor.market import Hold, MarketGate, Skip
from services.executor.pace import Pace
from services.executor.rows import Leaving
from services.executor.sessions import Sessions
from services.executor.watching import Recently

_SESSION_WAIT = timedelta(seconds=1)
_CLOCK_WAIT = timedelta(seconds=2)
_ANSWER_LASTS_S = 0.02


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    """Too short to be written down: ask again after this many seconds."""

    seconds: float


@dataclass(slots=True)
class Departure:
    """`new_breaker` makes the breaker of one environment: paper and live fall apart alone."""

    sessions: Sessions
    market: MarketGate
    clock: DatabaseClock
    pace: Pace
    breaches: Breaches
    new_breaker: Callable[[], Breaker]
    unreadable: Recently = field(default_factory=Recently)
    breakers: defaultdict[Environment, Breaker] = field(init=False)
    _question: object = None
    _answer: Hold | Skip | None = None
    _answer_until: float = 0.0

    def __post_init__(self) -> None:
        self.breakers = defaultdict(self.new_breaker)

    def ready(self, leaving: Leaving) -> bool:
        """Say whether it may go at once, and count it if so. A probe goes by dispatch alone."""
        if self.breakers[leaving.environment].is_open:
            return False
        return self.obstacle(leaving) is None

    def obstacle(self, leaving: Leaving) -> Hold | Skip | Wait | None:
        """Say what stands in the way; None counts the request as gone."""
        at = time.monotonic()
        if (common := self._common(leaving, at)) is not None:
            return common
        if leaving.kind is RequestKind.ENTRY and self.breaches.closes_entries(
            leaving.account_id, self.clock.now
        ):
            figures = self.breaches.figures(leaving.account_id)
            return Skip(reason=SkipReason.RATE_DAY_BLOCK, figures=figures)
        if self.sessions.get(leaving.account_id) is None:
            self.sessions.want([leaving.account_id])
            return Hold(reason=HoldReason.SESSION, until=self.clock.now() + _SESSION_WAIT)
        return self._broker_away(leaving, at) or self._too_fast(leaving, at)

    def _common(self, leaving: Leaving, at: float) -> Hold | Skip | None:
        """Ask market and clock. A thousand followers of one signal get one answer."""
        question = (
            leaving.environment,
            leaving.instrument,
            leaving.kind,
            leaving.order_type,
            leaving.validity,
            leaving.expires_at,
        )
        if question != self._question or at > self._answer_until:
            self._question, self._answer_until = question, at + _ANSWER_LASTS_S
            self._answer = self._ask(leaving)
        return self._answer

    def _ask(self, leaving: Leaving) -> Hold | Skip | None:
        now = self.clock.now()
        closed = self.market.ask(
            leaving.instrument,
            leaving.environment,
            Request(kind=leaving.kind, order_type=leaving.order_type, validity=leaving.validity),
            now=now,
            expires_at=leaving.expires_at,
        )
        if closed is None and leaving.kind is RequestKind.ENTRY and not self.clock.entries_allowed:
            return Hold(reason=HoldReason.CLOCK, until=now + _CLOCK_WAIT)
        return closed

    def answered(self, environment: Environment) -> None:
        self.breakers[environment].answered(time.monotonic())

    def failed(self, environment: Environment, error: BrokerError, *, late: bool) -> None:
        """Learn from a failed request.

        One that this process began too `late`, or had no way out for, says nothing.
        """
        if isinstance(error, NoWayOut):
            return
        if isinstance(error, SessionExpired | RateLimited):
            self.answered(environment)
        elif not (late and isinstance(error, NotSent)):
            self.breakers[environment].unreachable(time.monotonic())
        if isinstance(error, AnswerUnreadable):
            self.unreadable.note(answer=str(error)[:200])

    def not_sent_after_all(self, leaving: Leaving) -> None:
        """Take back what counted as gone and was refused elsewhere: it may have been the probe."""
        if leaving.kind is RequestKind.ENTRY:
            self.breakers[leaving.environment].probe_dropped(time.monotonic())

    def away(self) -> Mapping[Environment, BreakerState]:
        """Tell whose broker counts as away."""
        return {of: b.state for of, b in self.breakers.items() if b.is_open}

    def _broker_away(self, leaving: Leaving, at: float) -> Hold | None:
        breaker = self.breakers[leaving.environment]
        if leaving.kind is RequestKind.ENTRY:
            if breaker.allows_entry(at):
                return None
            wait_s = breaker.wait_s(at)
        else:
            wait_s = breaker.knock_wait_s(at)
        if wait_s == 0:
            return None
        # A breaker that probes opens or closes within an answer's time: look sooner than that.
        until = self.clock.now() + timedelta(seconds=min(wait_s, 2.0))
        return Hold(reason=HoldReason.BREAKER, until=until)

    def _too_fast(self, leaving: Leaving, at: float) -> Wait | None:
        seconds = self.pace.wait_s(
            leaving.account_id,
            leaving.instrument.partition(":")[0],
            urgent=leaving.urgent,
            now=at,
        )
        if seconds:
            self.not_sent_after_all(leaving)
        return Wait(seconds=seconds) if seconds else None
