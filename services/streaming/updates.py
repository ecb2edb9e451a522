"""Puts what brokers said on the bus, in order, and remembers whose words were lost on the way.

There is no outbox: a broker's order book can be read again, so a lost update is a book to re-read.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import structlog

from libs.contracts import codec, topics
from libs.runtime.bus import BusUnavailable, NotPublishable
from libs.runtime.outbox import OutboxMessage
from libs.trading.events import BrokerUpdate
from libs.trading.shards import shard_of
from services.streaming import metrics
from services.streaming.waiting import reconnect_delay_s

log = structlog.get_logger()

_BATCH_MAX = 500


class Publisher(Protocol):
    async def publish_many(self, messages: Sequence[OutboxMessage]) -> None: ...


@dataclass(slots=True, kw_only=True)
class BusUpdates:
    """A bounded line of updates to `broker-updates.v1`.

    While the bus is away nothing is collected: accounts are marked, and when the one batch kept
    back as a probe goes through, `reread` is called with every marked account.
    """

    publisher: Publisher
    partitions: int
    reread: Callable[[frozenset[str]], None]
    waiting_max: int = 10_000
    away: bool = False
    _line: asyncio.Queue[BrokerUpdate] = field(init=False)
    _marked: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self._line = asyncio.Queue(self.waiting_max)

    def offer(self, update: BrokerUpdate) -> None:
        if self.away or self._line.full():
            self._mark([update])
            return
        self._line.put_nowait(update)

    async def hand_over(self, updates: Sequence[BrokerUpdate]) -> None:
        for index, update in enumerate(updates):
            if self.away:
                self._mark(updates[index:])
                return
            await self._line.put(update)

    async def run(self) -> None:
        """Publish for as long as the process lives."""
        while True:
            batch = [await self._line.get()]
            while len(batch) < _BATCH_MAX and not self._line.empty():
                batch.append(self._line.get_nowait())
            await self._publish(batch)
            if self._marked and not self.away:
                marked, self._marked = frozenset(self._marked), set()
                self.reread(marked)

    async def _publish(self, batch: list[BrokerUpdate]) -> None:
        messages = [self._message(update) for update in batch]
        failures = 0
        while True:
            try:
                await self.publisher.publish_many(messages)
            except BusUnavailable as error:
                failures += 1
                self._bus_is_away(batch, str(error), first=failures == 1)
                await asyncio.sleep(reconnect_delay_s(failures))
            except NotPublishable as error:
                # The bus took all others and never takes these: repeating would help nobody.
                log.error("updates_refused", problem=str(error))  # noqa: TRY400  # no stack needed
                break
            else:
                break
        self.away = False
        for update in batch:
            metrics.UPDATES.labels(update.broker, update.source).inc()

    def _bus_is_away(self, batch: list[BrokerUpdate], problem: str, *, first: bool) -> None:
        self.away = True
        if first:
            log.warning("bus_away", problem=problem)
        self._mark(batch)
        while not self._line.empty():
            self._mark([self._line.get_nowait()])

    def _mark(self, updates: Sequence[BrokerUpdate]) -> None:
        metrics.UPDATES_LOST.inc(len(updates))
        self._marked.update(update.account_id for update in updates)

    def _message(self, update: BrokerUpdate) -> OutboxMessage:
        return OutboxMessage(
            topic=topics.BROKER_UPDATES,
            key=update.account_id,
            partitions=(shard_of(update.account_id, self.partitions),),
            payload=codec.encode(update),
            headers={},
        )
