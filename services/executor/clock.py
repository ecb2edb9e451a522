"""How far this machine's clock is from the database's, which decides what has expired."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import asyncpg
import structlog
from prometheus_client import Gauge

from libs.runtime.postgres import UNREACHABLE
from services.executor.alarms import AlarmName, Alarms

log = structlog.get_logger()

SKEW_S = Gauge("lockstep_clock_skew_seconds", "This machine's clock minus the database's.")

_ALARM_ABOVE_S = 0.5
_NO_ENTRIES_ABOVE_S = 2.0
_SAMPLES = 3


def _wall() -> datetime:
    return datetime.now(UTC)


@dataclass(slots=True)
class DatabaseClock:
    """`ask` reads `clock_timestamp()`. `subject` names the machine whose clock an alarm is about,
    not the process: one that died could never end its alarm.

    Between measurements it runs on the monotonic clock, which nobody sets: a wall clock that jumps
    shows at once, and so does a machine that was asleep.
    """

    ask: Callable[[], Awaitable[datetime]]
    alarms: Alarms
    subject: str
    every_s: float = 10.0
    wall: Callable[[], datetime] = _wall
    monotonic: Callable[[], float] = time.monotonic
    _anchor: tuple[datetime, float] | None = None
    # An earlier process of this name may have left an alarm: the first look decides.
    _alarmed: bool | None = field(default=None)

    def now(self) -> datetime:
        """Tell the database's time. Before the first measurement, our own."""
        if self._anchor is None:
            return self.wall()
        database, at = self._anchor
        return database + timedelta(seconds=self.monotonic() - at)

    @property
    def skew_s(self) -> float | None:
        """How far our clock is ahead; None before the first measurement."""
        return None if self._anchor is None else (self.wall() - self.now()).total_seconds()

    @property
    def entries_allowed(self) -> bool:
        """Whether this process may send entries: its clock is known and no more than 2 s off."""
        skew_s = self.skew_s
        return skew_s is not None and abs(skew_s) <= _NO_ENTRIES_ABOVE_S

    async def measure(self) -> None:
        """Ask several times and believe the quickest answer: it had the least time to be wrong."""
        samples = [await self._sample() for _ in range(_SAMPLES)]
        _, database, at = min(samples, key=_round_trip)
        self._anchor = (database, at)
        await self._tell()

    async def keep(self) -> None:
        """Measure for ever. Without Postgres nothing is sent, so the last measurement stands."""
        while True:
            try:
                await self.measure()
            except (asyncpg.PostgresError, *UNREACHABLE) as error:
                log.warning("clock_not_measured", error=str(error))
            await asyncio.sleep(self.every_s)

    async def _sample(self) -> tuple[float, datetime, float]:
        before = self.monotonic()
        database = await self.ask()
        after = self.monotonic()
        return after - before, database, (before + after) / 2

    async def _tell(self) -> None:
        skew_s = self.skew_s or 0.0
        SKEW_S.set(skew_s)
        if abs(skew_s) > _ALARM_ABOVE_S:
            self._alarmed = True
            await self.alarms.open(AlarmName.CLOCK_SKEW, self.subject, skew_s=f"{skew_s:.3f}")
        elif self._alarmed is not False:
            # What was not written is tried again.
            cleared = await self.alarms.clear(AlarmName.CLOCK_SKEW, self.subject)
            self._alarmed = None if cleared is None else False


def _round_trip(sample: tuple[float, datetime, float]) -> float:
    return sample[0]
