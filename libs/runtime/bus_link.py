"""Starts a bus in the background and keeps trying: a process is up, and says so, without Kafka."""

import asyncio
import signal
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Any, Protocol, Self

import asyncpg
import structlog
from aiokafka.client import AIOKafkaClient
from aiokafka.errors import KafkaError
from faststream.exceptions import FastStreamException

from libs.runtime.outbox import BusUnavailable
from libs.runtime.postgres import UNREACHABLE

log = structlog.get_logger()

_BACKOFF_FIRST_S = 0.2
_BACKOFF_MAX_S = 2.0
_PROBE_MS = 3_000
_STOP_S = 25.0
_STOP_WITHOUT_KAFKA_S = 2.0

# A database that is not migrated yet is waited for like one that is away.
_AWAY = (KafkaError, FastStreamException, BusUnavailable, asyncpg.PostgresError, *UNREACHABLE)


def stop_this_process(error: BaseException) -> None:
    """SIGTERM to ourselves: the supervisor sees a process that refused to start."""
    signal.raise_signal(signal.SIGTERM)


class Bus(Protocol):
    """What is started and stopped: `libs.runtime.bus.KafkaBus`."""

    specification: Any
    broken: asyncio.Event

    async def start(self) -> None: ...

    async def stop(self) -> None: ...

    async def ping(self, timeout: float) -> bool: ...  # noqa: ASYNC109  # FastStream's name.


class KafkaLink:
    """`async with KafkaLink(bus, prepare=...)`: returns at once, `started` turns true later.

    A bus whose consumer broke is stopped and started anew.

    `prepare` runs before each attempt (check the partitions there). Kafka or Postgres being away
    is tried again with backoff; `PartitionsDiffer` and mistakes end the process through `refuse`.
    """

    def __init__(
        self,
        bus: Bus,
        *,
        prepare: Callable[[], Awaitable[object]] | None = None,
        refuse: Callable[[BaseException], None] = stop_this_process,
    ) -> None:
        self._bus = bus
        self._prepare = prepare
        self._refuse = refuse
        self._starting: asyncio.Task[None] | None = None
        self._is_started = asyncio.Event()

    @property
    def started(self) -> bool:
        return self._is_started.is_set()

    async def __aenter__(self) -> Self:
        self._starting = asyncio.create_task(self._keep_running(), name="kafka-link")
        self._starting.add_done_callback(self._tell_why)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._starting is not None:
            self._starting.cancel()
            await asyncio.wait([self._starting])
        self._is_started.clear()
        await self._stop_bus()

    async def ready(self) -> bool:
        """Say whether the bus is started and Kafka answers now."""
        return self.started and await self._bus.ping(timeout=1.0)

    async def wait_started(self, timeout_s: float = 60) -> None:
        """Raise `TimeoutError` when the bus is not started by then."""
        async with asyncio.timeout(timeout_s):
            await self._is_started.wait()

    async def _keep_running(self) -> None:
        while True:
            await self._keep_starting()
            await self._bus.broken.wait()
            log.error("kafka_consumer_broken")
            self._is_started.clear()
            await self._stop_bus()

    async def _keep_starting(self) -> None:
        failures = 0
        while not self.started:
            try:
                if self._prepare is not None:
                    await self._prepare()
                await _probe(self._bus.specification.url)
                await self._bus.start()
                self._is_started.set()
            except _AWAY as error:
                failures += 1
                log.warning("kafka_awaited", failures=failures, error=str(error))
                # Half a start leaves clients open; a second start would double them.
                await self._stop_bus()
                await asyncio.sleep(min(_BACKOFF_FIRST_S * 2 ** min(failures, 10), _BACKOFF_MAX_S))
        log.info("kafka_started", failures=failures)

    def _tell_why(self, task: asyncio.Task[None]) -> None:
        error = None if task.cancelled() else task.exception()
        if error is not None:
            log.critical("kafka_refused", error=str(error), kind=type(error).__name__)
            self._refuse(error)

    async def _stop_bus(self) -> None:
        # A stop waits for what runs and what is unconfirmed; without Kafka that never ends.
        answers = await self._bus.ping(timeout=1.0)
        try:
            async with asyncio.timeout(_STOP_S if answers else _STOP_WITHOUT_KAFKA_S):
                await self._bus.stop()
        except (KafkaError, FastStreamException, TimeoutError, OSError) as error:
            log.warning("kafka_stop_incomplete", error=repr(error))


async def _probe(bootstrap_servers: list[str]) -> None:
    """Raise a `KafkaError` when nobody answers; FastStream would leave a producer unclosed."""
    client = AIOKafkaClient(bootstrap_servers=bootstrap_servers, request_timeout_ms=_PROBE_MS)
    try:
        await client.bootstrap()
    finally:
        await client.close()
