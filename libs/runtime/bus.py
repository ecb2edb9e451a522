"""Kafka as the services use it: safe defaults spelled out, bounded publishing."""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from functools import cache, partial
from types import TracebackType
from typing import Any, cast

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord, TopicPartition
from aiokafka.coordinator.assignors.range import RangePartitionAssignor
from aiokafka.errors import KafkaError, MessageSizeTooLargeError, RecordTooLargeError
from aiokafka.structs import RecordMetadata
from faststream import AckPolicy
from faststream.exceptions import FastStreamException
from faststream.kafka import KafkaBroker
from faststream.kafka.prometheus import KafkaPrometheusMiddleware
from prometheus_client import REGISTRY, Counter

from libs.runtime.bus_link import KafkaLink
from libs.runtime.bus_reader import PartitionsDiffer, TopicReader, check_partitions
from libs.runtime.outbox import BusUnavailable, NotPublishable, OutboxMessage
from libs.runtime.settings import KafkaSettings

__all__ = [
    "SUBSCRIBE",
    "BusUnavailable",
    "KafkaBus",
    "KafkaLink",
    "NotPublishable",
    "PartitionsDiffer",
    "Publisher",
    "TopicReader",
    "check_partitions",
    "open_bus",
]

# Splat into every subscriber. FastStream's own defaults acknowledge before the handler runs, start
# at the latest offset, wait 200 ms for a batch and stall a slow partition for 500 ms (measured).
SUBSCRIBE: dict[str, Any] = {
    "batch": True,
    "max_records": 500,
    "batch_timeout_ms": 5,
    "fetch_max_wait_ms": 100,
    "session_timeout_ms": 6000,
    "heartbeat_interval_ms": 500,
    "auto_offset_reset": "earliest",
    "ack_policy": AckPolicy.MANUAL,
    # Only ranges keep the partitions of several topics together.
    "partition_assignment_strategy": [RangePartitionAssignor],
}

_REQUEST_TIMEOUT_MS = 10_000
_PATIENCE_MS = 1_000
_COORDINATION_ENDED = "Unexpected error during coordination"


class PatientConsumer(AIOKafkaConsumer):
    """Waits for records as long as there are none; answers the moment there are.

    FastStream asks for `batch_timeout_ms` and sleeps as long again after an empty answer: either
    that costs latency (half of it, 6 ms on the way of every signal, measured), or it spins.
    """

    def __init__(self, *topics: str, broken: asyncio.Event, **options: Any) -> None:  # noqa: ANN401
        """`broken` is set when this consumer will never read again."""
        super().__init__(*topics, **options)  # type: ignore[no-untyped-call]
        self._broken = broken

    async def getmany(
        self,
        *partitions: TopicPartition,
        timeout_ms: int = 0,
        max_records: int | None = None,
    ) -> dict[TopicPartition, list[ConsumerRecord[Any, Any]]]:
        """Wait up to a second, whatever is asked for."""
        waited = max(timeout_ms, _PATIENCE_MS)
        found: dict[TopicPartition, list[ConsumerRecord[Any, Any]]]
        try:
            found = await super().getmany(*partitions, timeout_ms=waited, max_records=max_records)
        except KafkaError as error:
            # aiokafka ends its coordination for good after an error that it does not expect, as
            # uvloop's of a line that was cut while being written to. Only a new consumer helps.
            if _COORDINATION_ENDED in str(error):
                self._broken.set()
            raise
        return found


PUBLISHED = Counter("lockstep_bus_published", "Records handed to Kafka's producer.", ["topic"])


class KafkaBus(KafkaBroker):
    """FastStream reads; what is published goes straight to aiokafka's producer.

    FastStream's own way through its middlewares costs 36 µs of processor time per record instead of
    8 (measured in bulk), on the path of every signal and three times for every order.
    """

    def __init__(self, *servers: str, linger_ms: int, **options: Any) -> None:  # noqa: ANN401
        """`linger_ms` is how long a record waits for others to share its batch."""
        super().__init__(servers, **options)
        self._linger_ms = linger_ms
        self._records: AIOKafkaProducer | None = None
        # Set when a consumer will never read again: `KafkaLink` then starts the bus anew.
        self.broken = asyncio.Event()

    async def start(self) -> None:
        """Start the consumers, then the producer."""
        self.broken.clear()
        await self.connect()
        settings = self.config.broker_config
        options = cast(partial[AIOKafkaConsumer], settings.builder).keywords
        settings.builder = partial(PatientConsumer, **{**options, "broken": self.broken})
        await super().start()
        self._records = AIOKafkaProducer(
            bootstrap_servers=self.specification.url,
            acks="all",
            enable_idempotence=True,
            linger_ms=self._linger_ms,
            max_batch_size=262_144,
            request_timeout_ms=_REQUEST_TIMEOUT_MS,
        )
        await self._records.start()

    async def stop(
        self,
        exc_type: type[BaseException] | None = None,
        exc_val: BaseException | None = None,
        exc_tb: TracebackType | None = None,
    ) -> None:
        """Stop reading, then let what was handed over be confirmed."""
        await super().stop(exc_type, exc_val, exc_tb)
        records, self._records = self._records, None
        if records is not None:
            await records.stop()

    async def hand_over(
        self, message: OutboxMessage, partition: int
    ) -> "asyncio.Future[RecordMetadata]":
        """Put a record into the producer's buffer; the future is its confirmation."""
        if self._records is None:
            raise BusUnavailable("the bus is not started")
        PUBLISHED.labels(message.topic).inc()
        confirmed: asyncio.Future[RecordMetadata] = await self._records.send(
            message.topic,
            message.payload,
            key=message.key.encode(),
            partition=partition,
            headers=[(name, value.encode()) for name, value in message.headers.items()],
        )
        return confirmed


def open_bus(settings: KafkaSettings, *, client_id: str, linger_ms: int = 0) -> KafkaBus:
    """Describe the bus; nothing connects before it is started (see `KafkaLink`)."""
    return KafkaBus(
        *settings.kafka_bootstrap_servers.split(","),
        linger_ms=linger_ms,
        client_id=client_id,
        acks="all",
        enable_idempotence=True,
        request_timeout_ms=_REQUEST_TIMEOUT_MS,
        graceful_timeout=20,
        # Handlers get the decoded batch alone; `bus.context.get_local("message")` acknowledges it.
        apply_types=False,
        allow_auto_create_topics=False,
        middlewares=[_metrics()],
        logger=logging.getLogger("lockstep.bus"),
        log_level=logging.DEBUG,
    )


@cache
def _metrics() -> KafkaPrometheusMiddleware:
    # One for the process: its names can be registered only once.
    return KafkaPrometheusMiddleware(
        registry=REGISTRY, app_name="lockstep", metrics_prefix="lockstep_bus"
    )


class Publisher:
    """Publishes and waits for the confirmation, always bounded by `timeout_s`."""

    def __init__(self, bus: KafkaBus, *, timeout_s: float = 5.0) -> None:
        self._bus = bus
        self._timeout_s = timeout_s
        self._in_doubt = False

    async def publish(
        self,
        topic: str,
        *,
        key: str,
        partition: int,
        payload: bytes,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """Return when confirmed. Raise `BusUnavailable` or `NotPublishable`."""
        message = OutboxMessage(
            topic=topic, key=key, partitions=(partition,), payload=payload, headers=headers or {}
        )
        await self.publish_many([message])

    async def publish_many(self, messages: Sequence[OutboxMessage]) -> None:
        """Publish all at once. Raise `BusUnavailable`, or `NotPublishable` once the rest stands."""
        await self._ask_first()
        try:
            async with asyncio.timeout(self._timeout_s):
                refused = await self._send_and_wait(messages)
        except TimeoutError as error:
            self._in_doubt = True
            raise BusUnavailable(f"not confirmed within {self._timeout_s:g} s") from error
        except (KafkaError, FastStreamException, OSError) as error:
            self._in_doubt = True
            raise BusUnavailable(f"{type(error).__name__}: {error}") from error
        if refused:
            raise NotPublishable(refused)

    async def _ask_first(self) -> None:
        # What timed out stays in the producer's buffer and goes out when Kafka is back. Without
        # this question each repetition of an outbox would lie there once more.
        if self._in_doubt and not await self._bus.ping(timeout=1.0):
            raise BusUnavailable("Kafka does not answer")
        self._in_doubt = False

    async def _send_and_wait(self, messages: Sequence[OutboxMessage]) -> dict[int, str]:
        refused: dict[int, str] = {}
        waiting: list[asyncio.Future[RecordMetadata]] = []
        for at, message in enumerate(messages):
            for partition in message.partitions:
                try:
                    waiting.append(await self._bus.hand_over(message, partition))
                except (MessageSizeTooLargeError, RecordTooLargeError, AssertionError) as error:
                    # aiokafka asserts that a partition exists.
                    refused[at] = f"{type(error).__name__}: {error}"
        await asyncio.gather(*waiting)
        return refused
