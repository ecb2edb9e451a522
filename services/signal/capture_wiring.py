"""Wiring of capture: its own bus and group, so that what breaks it breaks nothing else."""

from contextlib import AsyncExitStack
from functools import partial
from typing import Any

import asyncpg

from libs.contracts import topics
from libs.runtime.bus import SUBSCRIBE, KafkaBus, KafkaLink, check_partitions, open_bus
from services.signal.capture import RECORDS_MAX, CaptureFlow, CaptureReader
from services.signal.capture_repository import CaptureRepository
from services.signal.flow import SignalFlow
from services.signal.settings import SignalSettings

GROUP = "signal.capture"


async def enter_capture(
    stack: AsyncExitStack, settings: SignalSettings, pool: asyncpg.Pool, signals: SignalFlow
) -> KafkaLink:
    """Start reading the brokers' updates; it ends with the stack. Kafka may be away meanwhile."""
    reader = CaptureReader(
        CaptureFlow(
            book=CaptureRepository(pool),
            signals=signals,
            tag_key=bytes.fromhex(settings.order_tag_key.get_secret_value()),
        )
    )
    bus = open_bus(settings, client_id="signal-capture")
    _subscribe(bus, reader)
    same_partitions = partial(
        check_partitions, settings.kafka_bootstrap_servers, pool, (topics.BROKER_UPDATES,)
    )
    link = await stack.enter_async_context(KafkaLink(bus, prepare=same_partitions))
    stack.callback(reader.close)
    return link


def _subscribe(bus: KafkaBus, reader: CaptureReader) -> None:
    @bus.subscriber(  # type: ignore[untyped-decorator]  # FastStream types it loosely
        topics.BROKER_UPDATES,
        group_id=GROUP,
        decoder=_as_they_are,
        **{**SUBSCRIBE, "max_records": RECORDS_MAX},
    )
    async def on_records(records: list[Any]) -> None:  # aiokafka's, as they are.
        # The bus injects nothing (apply_types is off), so the message is taken from its context.
        message = bus.context.get_local("message")
        if not await reader.take(records):
            return
        await message.ack()
        await reader.rest(len(records))


async def _as_they_are(message: Any) -> Any:  # noqa: ANN401  # FastStream's decoder.
    """Leave the decoding to the reader, which does it for captured accounts alone."""
    return message.raw_message
