"""Reads order events for the copy reports: behind everything else, in small bites, durable first.

What this process is for is taking signals. So a batch is decoded a few records at a time, and after
each batch the reader rests; being behind costs nothing but the age of the reports.
"""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Protocol

import asyncpg
import structlog
from prometheus_client import Counter, Gauge

from libs.contracts import codec, topics
from libs.contracts.codec import Record, Undecodable
from libs.contracts.dead_letters import dead_letter_message, unusable
from libs.runtime.outbox import OutboxMessage
from libs.runtime.postgres import UNREACHABLE
from libs.trading.events import OrderChanged
from libs.trading.signals import Signal
from services.signal.report_events import (
    OrderNews,
    PublishedSignal,
    folded,
    is_storable,
    why_not_storable,
)

log = structlog.get_logger()

# Writing a batch costs two or three milliseconds of this process in one go, measured.
RECORDS_MAX = 100
# Less than a millisecond at once to read them; then a waiting signal has its turn.
_BITE = 10
_GATHER_S = 0.1
# Whoever shares this machine sends a signal's orders now.
_FAN_OUT_S = 0.25
# So long after a signal others may follow, and the reader takes a quarter of the time, not a half.
_LIVELY_S = 1.0
_LIVELY_REST = 3.0
_BACKOFF_FIRST_S = 0.2
_BACKOFF_MAX_S = 5.0
# Every partition carries every signal.
_SIGNALS_PARTITION = 0

READ = Counter("lockstep_report_records", "Records read for the copy reports.", ["topic"])
LAG_S = Gauge("lockstep_report_lag_seconds", "Age of the oldest record not yet in the reports.")
LAG_RECORDS = Gauge("lockstep_report_lag_records", "Records not yet in the reports, as Kafka says.")


class BusRecord(Protocol):
    """What a Kafka consumer hands over; `timestamp` is in milliseconds."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...]


class Keeps(Protocol):
    async def keep(
        self,
        orders: Sequence[OrderNews],
        signals: Sequence[PublishedSignal],
        dead: Sequence[OutboxMessage],
    ) -> None: ...


@dataclass(slots=True)
class _Sorted:
    events: list[OrderChanged] = field(default_factory=list)
    signals: list[PublishedSignal] = field(default_factory=list)
    dead: list[OutboxMessage] = field(default_factory=list)

    def add(self, record: BusRecord) -> None:
        if record.topic == topics.SIGNALS and record.partition != _SIGNALS_PARTITION:
            return
        read = codec.decode_record(record)
        if isinstance(read, Undecodable):
            # A signal that cannot be read is an executor's affair, which buries it.
            if record.topic != topics.SIGNALS:
                self.dead.append(dead_letter_message(read))
        elif isinstance(read.event, Signal):
            self._add_signal(read.event, record.timestamp)
        elif isinstance(read.event, OrderChanged):
            self._add_event(read, read.event)

    def _add_signal(self, signal: Signal, timestamp_ms: int) -> None:
        if is_storable(signal):
            at = datetime.fromtimestamp(timestamp_ms / 1000, UTC)
            self.signals.append(PublishedSignal(signal=signal, published_at=at))

    def _add_event(self, record: Record, event: OrderChanged) -> None:
        wrong = why_not_storable(event)
        if wrong is None:
            self.events.append(event)
        else:
            self.dead.append(dead_letter_message(unusable(record, wrong)))


class ReportReader:
    def __init__(self, storage: Keeps) -> None:
        self._storage = storage
        self._closing = asyncio.Event()
        self._signal_at_s = -_LIVELY_S

    def close(self) -> None:
        """Wait for nothing any more; what is not durable is read again by the next process."""
        self._closing.set()

    async def take(self, records: Sequence[BusRecord]) -> bool:
        """Return whether the batch is durable; wait, until closed, for a ledger that is away."""
        found = _Sorted()
        for at in range(0, len(records), _BITE):
            for record in records[at : at + _BITE]:
                READ.labels(record.topic).inc()
                found.add(record)
            await asyncio.sleep(0)
        oldest_ms = min((record.timestamp for record in records), default=0)
        failures = 0
        while not self._closing.is_set():
            try:
                await self._storage.keep(folded(found.events), found.signals, found.dead)
            except (asyncpg.PostgresError, *UNREACHABLE) as error:
                failures += 1
                LAG_S.set(max(time.time() - oldest_ms / 1000, 0))
                log.warning("reports_wait", failures=failures, error=str(error))
                await self._pause(min(_BACKOFF_FIRST_S * 2 ** min(failures, 10), _BACKOFF_MAX_S))
            else:
                return True
        return False

    async def rest(self, records: Sequence[BusRecord], took_s: float) -> None:
        """Leave the machine alone, most of all while signals are being taken."""
        now_s = time.monotonic()
        was_lively = now_s - self._signal_at_s < _LIVELY_S
        has_signal = any(record.topic == topics.SIGNALS for record in records)
        if has_signal:
            self._signal_at_s = now_s
        pause_s = took_s * _LIVELY_REST if was_lively or has_signal else took_s
        if len(records) < RECORDS_MAX:
            pause_s = max(pause_s, _GATHER_S)
        if has_signal and not was_lively:
            pause_s = max(pause_s, _FAN_OUT_S)
        await self._pause(pause_s)

    async def _pause(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._closing.wait()
        except TimeoutError:
            return
