"""How long to wait, and waiting itself: backoff with jitter, a budget for reads, steady steps."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

import structlog

log = structlog.get_logger()

RECONNECT_FIRST_S = 0.5
RECONNECT_MAX_S = 15.0


def reconnect_delay_s(failures: int, chance: Callable[[], float] = random.random) -> float:
    """Double from 0.5 s to 15 s, half of it by chance: lines broken at once come back spread."""
    ceiling = min(RECONNECT_MAX_S, RECONNECT_FIRST_S * 2.0 ** min(max(failures - 1, 0), 10))
    return ceiling * (0.5 + 0.5 * chance())


@dataclass(frozen=True, slots=True)
class RealTime:
    """The clock and the waits of a running process; tests bring their own."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic_s(self) -> float:
        return asyncio.get_running_loop().time()

    async def wait(self, seconds: float, unless: asyncio.Event | None = None) -> bool:
        """Wait, but no longer than until the event is set. Tell whether it was."""
        if unless is None:
            await asyncio.sleep(seconds)
            return False
        try:
            async with asyncio.timeout(seconds):
                await unless.wait()
        except TimeoutError:
            return False
        return True


@dataclass(slots=True, kw_only=True)
class ReadBudget:
    """A token bucket for one account's book reads: streaming's share of the broker's limit."""

    per_second: float
    burst: int = 3
    _left: float = field(default=0.0, init=False)
    _at_s: float | None = field(default=None, init=False)

    def take(self, now_s: float) -> float:
        """Take one read; return how long to wait before making it, 0 for at once."""
        elapsed_s = 0.0 if self._at_s is None else now_s - self._at_s
        left = float(self.burst) if self._at_s is None else self._left
        self._left = min(float(self.burst), left + elapsed_s * self.per_second) - 1
        self._at_s = now_s
        return max(0.0, -self._left / self.per_second)


async def every(
    pause_s: Callable[[], float],
    step: Callable[[], Awaitable[None]],
    *,
    away: tuple[type[Exception], ...],
) -> None:
    """Repeat a step for ever; who is away at one step may be back at the next."""
    while True:
        try:
            await step()
        except away as error:
            log.warning("step_postponed", step=step.__qualname__, problem=str(error))
        await asyncio.sleep(pause_s())
