"""Listening to one topic while a test does something."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from libs.contracts import codec
from libs.runtime.bus import TopicReader
from tests.servers import Servers


class Heard:
    """What the bus carried on one topic since it was opened."""

    def __init__(self, reader: TopicReader, topic: str) -> None:
        self._reader = reader
        self._topic = topic
        self.records: list[tuple[int, bytes | None, Any]] = []

    async def wait_for(self, count: int) -> list[tuple[int, bytes | None, Any]]:
        async with asyncio.timeout(15):
            async for batch in self._reader.batches():
                self.records += [
                    (r.partition, r.key, codec.decode(self._topic, r.value or b"")) for r in batch
                ]
                if len(self.records) >= count:
                    break
        return self.records


@asynccontextmanager
async def hearing(servers: Servers, topic: str) -> AsyncIterator[Heard]:
    reader = TopicReader(servers.kafka_bootstrap_servers, [topic])
    await reader.start()
    try:
        yield Heard(reader, topic)
    finally:
        await reader.stop()
