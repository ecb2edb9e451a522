"""Reads order events for the copy reports: gathered, behind everything else, durable first.

What this process is for is taking signals, and whoever shares its machine sends orders. So after
the first record the others are left to gather for a second, and for another one while a signal fans
out. Each order is then decoded and written once, whatever happened to it meanwhile, a few at once.
"""

import asyncio
import time
from collections import Counter as Counted
from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

import asyncpg
import structlog
from prometheus_client import Counter, Gauge

from libs.contracts import topics
from libs.runtime.outbox import OutboxMessage
from libs.runtime.postgres import UNREACHABLE
from services.signal.report_events import OrderNews, PublishedSignal
from services.signal.report_gathering import BusRecord, Gathered

log = structlog.get_logger()

# A batch is bounded by its number.
RECORDS_MAX = 8_000
# By then most of a fan-out is over, and what happened to one order is told in one row.
GATHER_S = 1.1
_GATHERINGS_MAX = 2
# So many in one gathering are a signal that fans out.
_MANY = 200
# Records of this age were not left to gather: the reader is behind.
_BEHIND_S = 5.0
# About a millisecond at once to read them; then a waiting signal has its turn.
_GLANCES = 200
_DECODED = 20
# So long after a signal others may follow, and the reader takes a quarter of the time, not a half.
_LIVELY_S = 1.0
_LIVELY_REST = 3.0
_BACKOFF_FIRST_S = 0.2
_BACKOFF_MAX_S = 5.0

READ = Counter("lockstep_report_records", "Records read for the copy reports.", ["topic"])
LAG_S = Gauge("lockstep_report_lag_seconds", "Age of the oldest record not yet in the reports.")
LAG_RECORDS = Gauge("lockstep_report_lag_records", "Records not yet in the reports, as Kafka says.")


More = Callable[[int], Awaitable[Sequence[BusRecord]]]


class Keeps(Protocol):
    async def keep(
        self,
        orders: Sequence[OrderNews],
        signals: Sequence[PublishedSignal],
        dead: Sequence[OutboxMessage],
    ) -> None: ...


def is_behind(records: Sequence[BusRecord], now_s: float) -> bool:
    """Tell whether more than these were waiting. Kafka's stamps and `now_s` count from 1970."""
    oldest_ms = min(record.timestamp for record in records)
    return len(records) >= RECORDS_MAX or now_s - oldest_ms / 1000 > _BEHIND_S


def rest_s(took_s: float, *, lively: bool) -> float:
    """Say how long to leave the machine alone while behind; who is not rests by gathering."""
    return took_s * _LIVELY_REST if lively else took_s


class ReportReader:
    def __init__(self, storage: Keeps) -> None:
        self._storage = storage
        self._closing = asyncio.Event()
        self._signal_at_s = -_LIVELY_S

    def close(self) -> None:
        """Wait for nothing any more; what is not durable is read again by the next process."""
        self._closing.set()

    async def gather(self, first: Sequence[BusRecord], came_meanwhile: More) -> list[BusRecord]:
        """Let more come while the reader is not behind; return all. A closing one waits for none.

        `came_meanwhile` hands out what is here already, at most so many.
        """
        records = list(first)
        for _ in range(_GATHERINGS_MAX):
            if is_behind(records, time.time()):
                break
            await self._pause(GATHER_S)
            more = await came_meanwhile(RECORDS_MAX - len(records))
            records += more
            if len(more) < _MANY:
                break
        return records

    async def take(self, records: Sequence[BusRecord]) -> bool:
        """Return whether the batch is durable; wait, until closed, for a ledger that is away."""
        for topic, number in Counted(record.topic for record in records).items():
            READ.labels(topic).inc(number)
        gathered = Gathered()
        for at, record in enumerate(records, start=1):
            gathered.add(record)
            if at % _GLANCES == 0:
                await asyncio.sleep(0)
        orders: list[OrderNews] = []
        for news in gathered.news():
            orders.append(news)
            if len(orders) % _DECODED == 0:
                await asyncio.sleep(0)
        oldest_ms = min((record.timestamp for record in records), default=0)
        return await self._kept(orders, gathered, oldest_ms)

    async def rest(self, records: Sequence[BusRecord], took_s: float) -> None:
        """Leave the machine alone while behind, most of all while signals are being taken."""
        now_s = time.monotonic()
        if any(record.topic == topics.SIGNALS for record in records):
            self._signal_at_s = now_s
        if is_behind(records, time.time()):
            await self._pause(rest_s(took_s, lively=now_s - self._signal_at_s < _LIVELY_S))

    async def _kept(self, orders: list[OrderNews], found: Gathered, oldest_ms: int) -> bool:
        failures = 0
        while not self._closing.is_set():
            try:
                await self._storage.keep(orders, found.signals, found.dead)
            except (asyncpg.PostgresError, *UNREACHABLE) as error:
                failures += 1
                LAG_S.set(max(time.time() - oldest_ms / 1000, 0))
                log.warning("reports_wait", failures=failures, error=str(error))
                await self._pause(min(_BACKOFF_FIRST_S * 2 ** min(failures, 10), _BACKOFF_MAX_S))
            else:
                return True
        return False

    async def _pause(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._closing.wait()
        except TimeoutError:
            return
