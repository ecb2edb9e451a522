"""Plays the order feed: tells the product that what reached the broker was filled.

Streaming would say so from the broker's socket. Without it every order would stay open, and the
executor would read a thousand books again and again in the middle of a measurement.
"""

import asyncio
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from aiokafka import AIOKafkaProducer

from libs.contracts import codec, topics
from libs.trading.events import BrokerUpdate, UpdateSource
from libs.trading.orders import OrderReport, OrderStatus, Side
from libs.trading.shards import shard_of
from tests.bench.crowd import BROKER
from tests.bench.orders import INSTRUMENT, PRICE, QUANTITY

_AT_ONCE = 2_000


@dataclass(frozen=True, slots=True)
class Feed:
    producer: AIOKafkaProducer
    partitions: int

    async def fill(self, tape: Sequence[Sequence[Any]]) -> None:
        """Publish one fill for each arrival on the tape; return when Kafka has them."""
        for start in range(0, len(tape), _AT_ONCE):
            waiting = []
            for tag, who, _, number in tape[start : start + _AT_ONCE]:
                account_id = str(uuid.UUID(who))
                waiting.append(
                    await self.producer.send(
                        topics.BROKER_UPDATES,
                        codec.encode(_filled(account_id, tag, number)),
                        key=account_id.encode(),
                        partition=shard_of(account_id, self.partitions),
                    )
                )
            await asyncio.gather(*waiting)


def _filled(account_id: str, tag: str, number: int) -> BrokerUpdate:
    now = datetime.now(UTC)
    return BrokerUpdate(
        account_id=account_id,
        broker=BROKER,
        source=UpdateSource.FEED,
        received_at=now,
        report=OrderReport(
            status=OrderStatus.FILLED,
            broker_order_id=f"{number:016d}",
            client_order_id=tag,
            instrument=INSTRUMENT,
            side=Side.BUY,
            filled_quantity=QUANTITY,
            average_price=PRICE,
            at=now,
        ),
    )
