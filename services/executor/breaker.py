"""One breaker per broker and environment: a broker that is away gets no entries, only knocks.

Pure: `now` is `time.monotonic()` of the caller. What is unreachable is a request with proof that
it was not sent, or one without any answer; a refusal is an answer.
"""

from collections import deque
from dataclasses import dataclass, field
from enum import StrEnum

_COOLDOWN_MAX_S = 15.0
# A probe whose outcome nobody told counts as lost after this.
_PROBE_PATIENCE_S = 12.0
# Of what was sent in this time, half unreachable opens the breaker too.
_WINDOW_S = 10.0
_WINDOW_SENT_MIN = 20
_WINDOW_MAX = 1_000
# Ways out keep knocking while it is open, all accounts together no faster than this.
_KNOCK_EVERY_S = 0.2


class BreakerState(StrEnum):
    CLOSED = "CLOSED"
    OPEN = "OPEN"
    # One entry is on its way to see whether the broker is back.
    PROBING = "PROBING"


@dataclass(slots=True)
class Breaker:
    """Opens after `failures_max` unreachable requests in a row, or when half of many were.

    Any answer to what was sent since closes it. It waits `cooldown_s` for the next probe, doubling
    up to 15 s.
    """

    failures_max: int = 5
    cooldown_s: float = 1.0
    state: BreakerState = BreakerState.CLOSED
    _in_a_row: int = 0
    _recent: deque[tuple[float, bool]] = field(default_factory=lambda: deque(maxlen=_WINDOW_MAX))
    _opened_at: float = 0.0
    _probes: int = 0
    _probe_after: float = 0.0
    _probe_until: float = 0.0
    _knock_after: float = 0.0

    @property
    def is_open(self) -> bool:
        """Whether the broker counts as away: BROKER_AWAY stands as long as this."""
        return self.state is not BreakerState.CLOSED

    def allows_entry(self, now: float) -> bool:
        """Tell whether one entry may go now. While open, True makes it the probe: send it.

        Whoever does not send it after all calls `probe_dropped`.
        """
        if self.state is BreakerState.CLOSED:
            return True
        if self.wait_s(now) > 0:
            return False
        self.state = BreakerState.PROBING
        self._probe_until = now + _PROBE_PATIENCE_S
        return True

    def wait_s(self, now: float) -> float:
        """How long an entry waits before it may ask again; 0 when it may go."""
        match self.state:
            case BreakerState.CLOSED:
                return 0.0
            case BreakerState.OPEN:
                return max(0.0, self._probe_after - now)
            case BreakerState.PROBING:
                return max(0.0, self._probe_until - now)

    def knock_wait_s(self, now: float) -> float:
        """How long an exit or a cancel waits; 0 takes its turn, so send it then."""
        if self.state is BreakerState.CLOSED:
            return 0.0
        wait_s = max(0.0, self._knock_after - now)
        if wait_s == 0:
            self._knock_after = now + _KNOCK_EVERY_S
        return wait_s

    def answered(self, now: float) -> None:
        """Hear that the broker said something, be it a refusal."""
        self._remember(now, reached=True)
        self._in_a_row = 0
        # What was on its way when it opened proves nothing about the broker now.
        if self.state is BreakerState.CLOSED or now < self._opened_at + self.cooldown_s:
            return
        # What failed before it came back must not open it again.
        self._recent.clear()
        self.state = BreakerState.CLOSED
        self._probes = 0

    def unreachable(self, now: float) -> None:
        """Hear that a request was not sent, with proof, or was not answered in time."""
        self._remember(now, reached=False)
        self._in_a_row += 1
        if self.state is BreakerState.PROBING:
            self._open(now)
        elif self.state is BreakerState.CLOSED and self._too_many():
            self._opened_at = now
            self._open(now)

    def probe_dropped(self, now: float) -> None:
        """Take the probe back: it was not sent after all, so the next entry may be it."""
        if self.state is BreakerState.PROBING:
            self.state = BreakerState.OPEN
            self._probe_after = now

    def _open(self, now: float) -> None:
        self.state = BreakerState.OPEN
        self._probe_after = now + min(self.cooldown_s * 2**self._probes, _COOLDOWN_MAX_S)
        # Bounded, for the power of two.
        self._probes = min(self._probes + 1, 16)

    def _too_many(self) -> bool:
        if self._in_a_row >= self.failures_max:
            return True
        failed = sum(not reached for _, reached in self._recent)
        return len(self._recent) >= _WINDOW_SENT_MIN and failed * 2 >= len(self._recent)

    def _remember(self, now: float, *, reached: bool) -> None:
        self._recent.append((now, reached))
        while self._recent[0][0] <= now - _WINDOW_S:
            self._recent.popleft()
