"""What executors would tell the reports: order events put on the bus, and rows as they then are."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Any

import psycopg
from psycopg.rows import dict_row
from uuid_utils import uuid7

from libs.contracts import codec, topics
from libs.runtime.bus import Publisher, open_bus
from libs.trading.events import OrderChanged
from libs.trading.shards import shard_of
from tests.factories import an_order_changed
from tests.integration.signal.running import settings_for
from tests.servers import PARTITIONS, Database, Servers


def an_order_of(signal_id: str, at: datetime, **changes: Any) -> OrderChanged:
    """Make the first event of a new order of somebody new, planned at that moment."""
    ids = ("order_id", "strategy_id", "follow_id", "master_id", "user_id", "account_id")
    made: dict[str, Any] = {name: str(uuid7()) for name in ids}
    made |= {"signal_id": signal_id, "at": at, "planned_at": at, "accepted_at": at}
    return an_order_changed(**{**made, **changes})


@dataclass(frozen=True, slots=True)
class Executors:
    """Tell the bus of orders, as executors do."""

    publisher: Publisher

    async def tell(self, *events: OrderChanged) -> None:
        for event in events:
            await self.tell_raw(event.account_id, codec.encode(event))

    async def tell_raw(self, account_id: str, payload: bytes) -> None:
        await self.publisher.publish(
            topics.ORDER_EVENTS,
            key=account_id,
            partition=shard_of(account_id, PARTITIONS),
            payload=payload,
        )


@asynccontextmanager
async def executors_on(servers: Servers, database: Database) -> AsyncIterator[Executors]:
    bus = open_bus(settings_for(servers, database.dsn("signal")), client_id="executors")
    await bus.start()
    try:
        yield Executors(Publisher(bus))
    finally:
        await bus.stop()


def later(event: OrderChanged, version: int, **changes: Any) -> OrderChanged:
    return replace(event, version=version, change_id=event.change_id + version, **changes)


def report_row(database: Database, order_id: str) -> dict[str, Any] | None:
    with psycopg.connect(database.owner_dsn, row_factory=dict_row) as owner:
        return owner.execute(
            "select * from signal.report_orders where order_id = %s", [order_id]
        ).fetchone()


async def reported(
    database: Database, order_id: str, *, timeout_s: float = 60, **wanted: Any
) -> Mapping[str, Any]:
    """Return the report's row of an order once these columns are so."""
    row: dict[str, Any] | None = None
    try:
        async with asyncio.timeout(timeout_s):
            while True:
                row = await asyncio.to_thread(report_row, database, order_id)
                if row and all(row[name] == value for name, value in wanted.items()):
                    return row
                await asyncio.sleep(0.05)
    except TimeoutError:
        raise AssertionError(f"never {wanted}, but {row}") from None


async def published_signal(database: Database, signal_id: str) -> tuple[datetime, Decimal]:
    """Return the stamp and the price of a signal once the reports know both."""
    async with asyncio.timeout(60):
        while True:
            row = report_signal(database, signal_id)
            if row and row[0] and row[1]:
                return row[0], row[1]
            await asyncio.sleep(0.05)


def report_signal(
    database: Database, signal_id: str
) -> tuple[datetime | None, Decimal | None] | None:
    with psycopg.connect(database.owner_dsn) as owner:
        return owner.execute(
            "select published_at, limit_price from signal.report_signals where signal_id = %s",
            [signal_id],
        ).fetchone()
