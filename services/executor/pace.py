"""How fast one account may send: a sliding window per account and exchange segment.

Exchanges allow ten order requests in any second per client and segment, modifications and cancels
included; brokers limit a minute too. Two of what an account may send stay free for cancels and
exits, so that a burst of entries can never hold up a way out. A window, not a bucket that fills: a
full bucket and its refill would pass almost twice the limit within one second.
"""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field

# Brokers count an account's minute over all segments.
_ALL = "*"


@dataclass(slots=True)
class Pace:
    """Send times of the accounts this process owns, in `time.monotonic()` seconds.

    The windows are a little over a second and a minute, because requests bunch up on their way.
    """

    per_window_max: int = 10
    reserved: int = 2
    window_s: float = 1.1
    per_minute_max: int = 140
    minute_reserved: int = 20
    minute_s: float = 61
    _sent: dict[tuple[str, str], deque[float]] = field(default_factory=dict)
    _began_at: dict[str, float] = field(default_factory=dict)

    def begin(self, account_ids: Iterable[str], now: float) -> None:
        """Count the first second of newly owned accounts as used, and half of their first minute.

        Their last owner may have used it.
        """
        for account_id in account_ids:
            self._began_at[account_id] = now
            half = [now] * (self.per_minute_max // 2)
            self._sent[account_id, _ALL] = deque(half)

    def wait_s(self, account_id: str, segment: str, *, urgent: bool, now: float) -> float:
        """Count one request and return 0, or return how many seconds until one may go."""
        began_at = self._began_at.get(account_id)
        if began_at is not None:
            if now < began_at + self.window_s:
                return began_at + self.window_s - now
            del self._began_at[account_id]
        second = self._since((account_id, segment), now - self.window_s)
        minute = self._since((account_id, _ALL), now - self.minute_s)
        wait_s = max(
            _until_room(second, self.per_window_max, self.reserved, self.window_s, urgent, now),
            _until_room(
                minute, self.per_minute_max, self.minute_reserved, self.minute_s, urgent, now
            ),
        )
        if wait_s <= 0:
            second.append(now)
            minute.append(now)
        return wait_s

    def _since(self, key: tuple[str, str], start: float) -> deque[float]:
        times = self._sent.setdefault(key, deque())
        while times and times[0] <= start:
            times.popleft()
        return times

    def forget(self, account_ids: Iterable[str]) -> None:
        gone = set(account_ids)
        for key in [key for key in self._sent if key[0] in gone]:
            del self._sent[key]
        for account_id in gone:
            self._began_at.pop(account_id, None)


def _until_room(
    sent: deque[float], most: int, reserved: int, window_s: float, urgent: bool, now: float
) -> float:
    """Tell in how many seconds this window has room; 0 or less when it has."""
    allowed = most if urgent else most - reserved
    return 0.0 if len(sent) < allowed else sent[len(sent) - allowed] + window_s - now
