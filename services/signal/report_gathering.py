"""Folds gathered records in memory: of an order's many events one is decoded whole, the newest.

What cannot be read is found by the glance, or when it was the newest; then the next one speaks.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Protocol

from libs.contracts import codec, topics
from libs.contracts.codec import OrderGlance, Undecodable
from libs.contracts.dead_letters import dead_letter_message, unusable
from libs.runtime.outbox import OutboxMessage
from libs.trading.events import OrderChanged
from libs.trading.signals import Signal
from libs.trading.states import HAD_BY_BROKER, OrderState
from services.signal.report_events import (
    OrderNews,
    PublishedSignal,
    is_storable,
    news_of,
    why_not_storable,
)

# Every partition carries every signal.
_SIGNALS_PARTITION = 0
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class BusRecord(Protocol):
    """What a Kafka consumer hands over; `timestamp` is in milliseconds."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...]


@dataclass(slots=True)
class _Told:
    """What was told of one order: its records by version, and when which states were written."""

    records: dict[int, BusRecord] = field(default_factory=dict)
    acknowledged_us: int | None = None
    filled_us: int | None = None

    def add(self, seen: OrderGlance, record: BusRecord) -> None:
        self.records[seen.version] = record
        if seen.state in HAD_BY_BROKER:
            self.acknowledged_us = _earliest(self.acknowledged_us, seen.at_us)
        if seen.state is OrderState.FILLED:
            self.filled_us = _earliest(self.filled_us, seen.at_us)


@dataclass(slots=True)
class Gathered:
    """Records of one batch, told apart. `dead` is complete once `news` was gone through."""

    signals: list[PublishedSignal] = field(default_factory=list)
    dead: list[OutboxMessage] = field(default_factory=list)
    _told: dict[str, _Told] = field(default_factory=dict)

    def add(self, record: BusRecord) -> None:
        if record.topic == topics.SIGNALS:
            self._add_signal(record)
            return
        seen = codec.glance_order(record.value or b"")
        if seen is not None and seen.order_id:
            self._told.setdefault(seen.order_id, _Told()).add(seen, record)
        else:
            self._event(record)  # Buries it.

    def news(self) -> Iterator[OrderNews]:
        """Decode the newest usable event of each order, in the order of their ids."""
        for order_id in sorted(self._told):
            told = self._told[order_id]
            for version in sorted(told.records, reverse=True):
                event = self._event(told.records[version])
                if event is not None:
                    yield news_of(event, _instant(told.acknowledged_us), _instant(told.filled_us))
                    break

    def _event(self, record: BusRecord) -> OrderChanged | None:
        read = codec.decode_record(record)
        if isinstance(read, Undecodable):
            self.dead.append(dead_letter_message(read))
            return None
        if not isinstance(read.event, OrderChanged):
            return None
        wrong = why_not_storable(read.event)
        if wrong is not None:
            self.dead.append(dead_letter_message(unusable(read, wrong)))
            return None
        return read.event

    def _add_signal(self, record: BusRecord) -> None:
        if record.partition != _SIGNALS_PARTITION:
            return
        read = codec.decode_record(record)
        # A signal that cannot be read is an executor's affair, which buries it.
        if isinstance(read, Undecodable) or not isinstance(read.event, Signal):
            return
        if is_storable(read.event):
            at = datetime.fromtimestamp(record.timestamp / 1000, UTC)
            self.signals.append(PublishedSignal(signal=read.event, published_at=at))


def _earliest(one: int | None, other: int) -> int:
    return other if one is None else min(one, other)


def _instant(us: int | None) -> datetime | None:
    # Not `fromtimestamp`, whose float loses the last digits.
    return None if us is None else _EPOCH + timedelta(microseconds=us)
