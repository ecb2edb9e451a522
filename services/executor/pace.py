"""How fast one account may send: a sliding window per account and exchange segment.

Exchanges allow ten order requests in any second per client and segment, modifications and cancels
included. Entries may use eight of them; two stay free for cancels and exits, so that a burst of
entries can never hold up a way out. A window, not a bucket that fills: a full bucket and its refill
would pass almost twice the limit within one second.
"""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field


@dataclass(slots=True)
class Pace:
    """Send times of the accounts this process owns, in `time.monotonic()` seconds.

    `window_s` is a little over a second, because requests bunch up on their way.
    """

    per_window_max: int = 10
    reserved: int = 2
    window_s: float = 1.1
    _sent: dict[tuple[str, str], deque[float]] = field(default_factory=dict)
    _began_at: dict[str, float] = field(default_factory=dict)

    def begin(self, account_ids: Iterable[str], now: float) -> None:
        """Count the first window of newly owned accounts as used: their last owner may have."""
        self._began_at |= dict.fromkeys(account_ids, now)

    def wait_s(self, account_id: str, segment: str, *, urgent: bool, now: float) -> float:
        """Count one request and return 0, or return how many seconds until one may go."""
        began_at = self._began_at.get(account_id)
        if began_at is not None:
            if now < began_at + self.window_s:
                return began_at + self.window_s - now
            del self._began_at[account_id]
        times = self._sent.setdefault((account_id, segment), deque())
        while times and times[0] <= now - self.window_s:
            times.popleft()
        allowed = self.per_window_max if urgent else self.per_window_max - self.reserved
        if len(times) < allowed:
            times.append(now)
            return 0.0
        return times[len(times) - allowed] + self.window_s - now

    def forget(self, account_ids: Iterable[str]) -> None:
        gone = set(account_ids)
        for key in [key for key in self._sent if key[0] in gone]:
            del self._sent[key]
        for account_id in gone:
            self._began_at.pop(account_id, None)
