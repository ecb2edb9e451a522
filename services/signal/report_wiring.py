"""Wiring of the copy reports: their own pools, bus and group, so that no signal waits for them."""

import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from libs.contracts import topics
from libs.runtime.background import keep
from libs.runtime.bus import SUBSCRIBE, KafkaBus, KafkaLink, check_partitions, open_bus
from libs.runtime.postgres import enter_pool
from services.signal.report_forgetting import forget_old
from services.signal.report_gathering import BusRecord
from services.signal.report_queries import ReportQueries
from services.signal.report_reader import (
    LAG_RECORDS,
    LAG_S,
    RECORDS_MAX,
    ReportReader,
)
from services.signal.report_storage import ReportStorage
from services.signal.settings import SignalSettings

GROUP = "signal.reports"
# A reader that is behind holds this much of each partition in memory.
_PARTITION_BYTES_MAX = 256 * 1024
# About a whole batch; Kafka then waits no longer.
_GATHERED_BYTES = 1024 * 1024
_WRITING_CONNECTIONS = 1
_READING_CONNECTIONS = 2
_SUBSCRIBE = {
    **SUBSCRIBE,
    "max_records": RECORDS_MAX,
    "max_partition_fetch_bytes": _PARTITION_BYTES_MAX,
    # Kafka gathers too, a little less long than the reader: one answer a second costs less than
    # one for every few events.
    "fetch_min_bytes": _GATHERED_BYTES,
    "fetch_max_wait_ms": 1_000,
}

Behind = dict[TopicPartition, int]


@dataclass(frozen=True, slots=True)
class Reports:
    """What runs for the reports. `kafka` tells whether their bus is started."""

    kafka: KafkaLink
    queries: ReportQueries


async def enter_reports(stack: AsyncExitStack, settings: SignalSettings) -> Reports:
    """Start reading; all of it ends with the stack. Kafka may be away meanwhile."""
    dsn = settings.postgres_dsn.get_secret_value()
    pool = await enter_pool(
        stack, dsn, max_size=_WRITING_CONNECTIONS, application_name="signal-reports"
    )
    reading = await enter_pool(
        stack, dsn, max_size=_READING_CONNECTIONS, application_name="signal-reports-reading"
    )
    storage = ReportStorage(pool, days=settings.report_days)
    reader = ReportReader(storage)
    # Not the bus of the signals: what breaks a consumer starts its whole bus anew.
    bus = open_bus(settings, client_id="signal-reports")
    _subscribe(bus, reader)
    same_partitions = partial(
        check_partitions, settings.kafka_bootstrap_servers, pool, (topics.ORDER_EVENTS,)
    )
    link = await stack.enter_async_context(KafkaLink(bus, prepare=same_partitions))
    stack.callback(reader.close)
    keep(stack, forget_old(storage), "reports-forgetting")
    return Reports(kafka=link, queries=ReportQueries(reading))


def _subscribe(bus: KafkaBus, reader: ReportReader) -> None:
    behind: Behind = {}

    @bus.subscriber(  # type: ignore[untyped-decorator]  # FastStream types it loosely
        topics.ORDER_EVENTS, topics.SIGNALS, group_id=GROUP, decoder=_as_they_are, **_SUBSCRIBE
    )
    async def on_records(first: Sequence[Any]) -> None:  # aiokafka's, as they are.
        # The bus injects nothing (apply_types is off), so the message is taken from its context.
        message = bus.context.get_local("message")
        records = await reader.gather(first, partial(_came_meanwhile, message.consumer))
        started_at = time.monotonic()
        if not await reader.take(records):
            return
        await message.ack()
        _measure(behind, message.consumer, records)
        await reader.rest(records, time.monotonic() - started_at)


async def _came_meanwhile(consumer: AIOKafkaConsumer, most: int) -> list[Any]:
    """Take what is here already; acknowledging the first of a batch acknowledges these too."""
    try:
        # Not the bus's own `getmany`, which waits for records.
        found = await AIOKafkaConsumer.getmany(consumer, max_records=most)
    except KafkaError:
        return []  # The next ask meets it again; what was read already is written first.
    return [record for records in found.values() for record in records]


async def _as_they_are(message: Any) -> Any:  # noqa: ANN401  # FastStream's decoder.
    """Leave the decoding to the reader, which does it in small bites."""
    return message.raw_message


def _measure(behind: Behind, consumer: AIOKafkaConsumer, records: Sequence[BusRecord]) -> None:
    """Note how far the reports are behind what Kafka has."""
    last = {TopicPartition(record.topic, record.partition): record.offset for record in records}
    for partition, offset in last.items():
        end = consumer.highwater(partition) or 0
        behind[partition] = max(end - offset - 1, 0)
    for lost in behind.keys() - consumer.assignment():
        del behind[lost]
    LAG_RECORDS.set(sum(behind.values()))
    newest_ms = max(record.timestamp for record in records)
    LAG_S.set(max(time.time() - newest_ms / 1000, 0) if sum(behind.values()) else 0)
