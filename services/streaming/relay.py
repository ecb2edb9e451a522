"""From the bus to the sockets: order events, notices and account states, as they are published."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

import structlog
from aiokafka.errors import KafkaError

from libs.contracts import codec, topics
from libs.contracts.codec import RawRecord, Record, Undecodable
from libs.runtime.bus import BusUnavailable
from libs.trading.accounts import Account
from libs.trading.events import Notice, OrderChanged
from services.streaming import metrics
from services.streaming.sockets import Hub

log = structlog.get_logger()

RELAYED = (topics.ORDER_EVENTS, topics.NOTICES, topics.SESSION_EVENTS)
AWAY = (KafkaError, BusUnavailable, OSError, TimeoutError)

_MISSED_LOOKS_MAX = 2
_SLICE = 32


class Reader(Protocol):
    @property
    def ready(self) -> bool: ...

    async def start(self) -> None: ...

    def batches(self) -> AsyncIterator[Sequence[RawRecord]]: ...

    async def stop(self) -> None: ...


@dataclass(slots=True, kw_only=True)
class Relay:
    """Reads without a group and from the latest record: a client's past comes from `GET /orders`.

    Every replica reads everything, so a socket may be open at any of them. The accounts learn
    from the same records.
    """

    open_reader: Callable[[], Reader]
    bus_answers: Callable[[], Awaitable[bool]]
    hub: Hub
    learn: Callable[[Iterable[Account]], None]
    _reader: Reader | None = None
    _missed_looks: int = 0
    _missing_since: datetime | None = None

    async def read(self) -> None:
        """Read until the reader gives up; the caller calls again."""
        reader = self._reader = self.open_reader()
        try:
            await reader.start()
            async for records in reader.batches():
                await self.pass_on(records)
        finally:
            self._reader = None
            await reader.stop()

    async def pass_on(self, records: Sequence[RawRecord]) -> None:
        for start in range(0, len(records), _SLICE):
            for raw in records[start : start + _SLICE]:
                self._tell(codec.decode_record(raw))
            # A signal to a thousand followers is a thousand events for one master: between slices
            # the sockets write what they have, or a quick reader would look like a slow one.
            await asyncio.sleep(0)

    async def watch(self) -> None:
        """One look at whether the bus can be read; two missed ones and the clients are told."""
        reading = self._reader is not None and self._reader.ready
        if reading and await self.bus_answers():
            self._missed_looks, self._missing_since = 0, None
            self.hub.is_back()
        else:
            self._missed_looks += 1
            self._missing_since = self._missing_since or datetime.now(UTC)
            if self._missed_looks >= _MISSED_LOOKS_MAX:
                self.hub.became_stale(self._missing_since)
        metrics.RELAY_STALE.set(self.hub.stale_since is not None)

    def _tell(self, record: Record | Undecodable) -> None:
        if isinstance(record, Undecodable):
            # The services that own these topics' meaning write the dead letters.
            metrics.UNREADABLE.labels(record.topic).inc()
            log.warning("record_unreadable", topic=record.topic, problem=record.error)
            return
        event = record.event
        if isinstance(event, Account):
            self.learn([event])
        if isinstance(event, OrderChanged | Notice | Account):
            self.hub.tell(event)
