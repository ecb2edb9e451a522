"""How many alerts one webhook may send, counted in this process: a burst, then a steady minute."""

import time
from collections.abc import Callable

ALERTS_PER_MINUTE = 60
_BURST = 30
_WEBHOOKS_MAX = 10_000


class Pace:
    """One bucket per webhook, kept as the instant at which it is full again."""

    def __init__(
        self,
        *,
        per_minute: int = ALERTS_PER_MINUTE,
        burst: int = _BURST,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._every_s = 60 / per_minute
        self._burst_s = burst * self._every_s
        self._clock = clock
        self._full_at: dict[str, float] = {}
        self._told: set[str] = set()

    def takes(self, webhook_id: str) -> bool:
        now = self._clock()
        full_at = max(self._full_at.get(webhook_id, now), now) + self._every_s
        if full_at - now > self._burst_s:
            return False
        self._forget_some(now)
        self._full_at[webhook_id] = full_at
        self._told.discard(webhook_id)
        return True

    def first_refusal(self, webhook_id: str) -> bool:
        """Say once per flood that there is one: each line of it would be a flood of its own."""
        if webhook_id in self._told:
            return False
        self._told.add(webhook_id)
        return True

    def _forget_some(self, now: float) -> None:
        if len(self._full_at) < _WEBHOOKS_MAX:
            return
        self._full_at = {name: at for name, at in self._full_at.items() if at > now}
        self._told &= self._full_at.keys()
