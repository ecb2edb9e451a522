"""Reading the bus without a group (websocket relays, tests), and the check of partition counts."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import TypeAlias

import asyncpg
import stamina
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from libs.runtime.outbox import BusUnavailable

Record: TypeAlias = "ConsumerRecord[bytes | None, bytes | None]"

_POLL_MS = 1_000
_RECORDS_MAX = 1_000
_AWAY = (KafkaError, OSError, TimeoutError, BusUnavailable)


class PartitionsDiffer(Exception):
    """The topics do not have the partitions this installation was made with."""


class TopicReader:
    """All partitions of some topics from now on, without a group: nothing is committed."""

    def __init__(self, bootstrap_servers: str, topics: Sequence[str]) -> None:
        self._bootstrap_servers = bootstrap_servers
        self._topics = tuple(topics)
        self._consumer: AIOKafkaConsumer | None = None

    @property
    def ready(self) -> bool:
        return self._consumer is not None

    async def start(self, *, patience_s: float = 60) -> None:
        """Return once every later record will be seen, or raise `BusUnavailable`."""
        try:
            async for attempt in stamina.retry_context(
                on=_AWAY,
                attempts=None,
                timeout=patience_s,
                wait_initial=0.1,
                wait_max=2,
                wait_jitter=0.2,
            ):
                with attempt:
                    self._consumer = await self._opened()
        except _AWAY as error:
            raise BusUnavailable(f"cannot read {', '.join(self._topics)}: {error}") from error

    async def batches(self) -> AsyncIterator[list[Record]]:
        """Yield what came in, ordered per partition; wait out a Kafka that is away; end at stop."""
        while (consumer := self._consumer) is not None:
            fetched = await consumer.getmany(timeout_ms=_POLL_MS, max_records=_RECORDS_MAX)
            records = [record for part in fetched.values() for record in part]
            if records:
                yield records

    async def stop(self) -> None:
        consumer, self._consumer = self._consumer, None
        if consumer is not None:
            await consumer.stop()

    async def _opened(self) -> AIOKafkaConsumer:
        # Named here, without a group: aiokafka then assigns all partitions itself, and knows them.
        consumer = AIOKafkaConsumer(
            *self._topics,
            bootstrap_servers=self._bootstrap_servers,
            group_id=None,
            enable_auto_commit=False,
            auto_offset_reset="latest",
            fetch_max_wait_ms=100,
        )
        try:
            await consumer.start()
            partitions = _assigned(consumer, self._topics)
            ends = await consumer.end_offsets(partitions)
            for partition, end in ends.items():
                consumer.seek(partition, end)
        except BaseException:
            await consumer.stop()
            raise
        return consumer


def _assigned(consumer: AIOKafkaConsumer, topics: Sequence[str]) -> list[TopicPartition]:
    partitions = sorted(consumer.assignment())
    missing = set(topics) - {partition.topic for partition in partitions}
    if missing:
        raise BusUnavailable(f"Kafka has no topic {', '.join(sorted(missing))} yet")
    return partitions


async def check_partitions(
    bootstrap_servers: str, pool: asyncpg.Pool, topics: Sequence[str], *, patience_s: float = 60
) -> int:
    """Return the installation's number of partitions once every topic has exactly that many.

    Wait for Kafka and the topics, then raise `BusUnavailable`. Raise `PartitionsDiffer` at once.
    """
    expected = int(await pool.fetchval("select partitions from public.installation"))
    try:
        async for attempt in stamina.retry_context(
            on=_AWAY,
            attempts=None,
            timeout=patience_s,
            wait_initial=0.1,
            wait_max=2,
            wait_jitter=0.2,
        ):
            with attempt:
                counts = await partition_counts(bootstrap_servers, topics)
    except _AWAY as error:
        raise BusUnavailable(f"topics cannot be checked: {error}") from error
    different = {topic: count for topic, count in counts.items() if count != expected}
    if different:
        found = ", ".join(f"{topic} has {count}" for topic, count in different.items())
        raise PartitionsDiffer(
            f"this installation has {expected} partitions for ever, but {found}: create the topics "
            f"with {expected} partitions, or use the Kafka this database belongs to"
        )
    return expected


async def partition_counts(bootstrap_servers: str, topics: Sequence[str]) -> dict[str, int]:
    """Ask Kafka. Raise `BusUnavailable` while a topic is missing."""
    async with _admin(bootstrap_servers) as admin:
        described = await admin.describe_topics(list(topics))
    counts = {
        item["topic"]: len(item["partitions"]) for item in described if not item["error_code"]
    }
    missing = [topic for topic in topics if topic not in counts]
    if missing:
        raise BusUnavailable(f"Kafka has no topic {', '.join(missing)} yet")
    return counts


@asynccontextmanager
async def _admin(bootstrap_servers: str) -> AsyncIterator[AIOKafkaAdminClient]:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap_servers, request_timeout_ms=5_000)
    try:
        await admin.start()
        yield admin
    finally:
        await admin.close()
