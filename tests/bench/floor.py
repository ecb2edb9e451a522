"""The floors: the same work by a bare client, in a process of its own on uvloop.

One Kafka hop, one COPY of the rows, all requests by pyreqwest: no ledger rules, no states, no
sizing, no leases. The table is bare: twelve columns and two unique indexes, where the product's
has more of both; `alike` does the same COPY into a table built like the product's.
"""

import asyncio
import sys
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import uvloop
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from pyreqwest.client import Client, ClientBuilder

from libs.runtime.server import raise_file_limit
from tests.bench import orders
from tests.bench.worker import serve, take_output

TOPIC = "bench-floor.v1"
# As many bytes as a signal on the wire.
_RECORD = b"s" * 200
_BARE = "floor_orders"
_ALIKE = "orders_alike"
_COLUMNS = (
    *("order_id", "client_order_id", "signal_id", "account_id", "instrument", "side"),
    *("product", "order_type", "quantity", "limit_price", "state", "planned_at"),
)

SCHEMA = """
CREATE SCHEMA IF NOT EXISTS bench;
CREATE TABLE IF NOT EXISTS bench.floor_orders (
    order_id uuid PRIMARY KEY,
    client_order_id text NOT NULL UNIQUE,
    signal_id uuid NOT NULL,
    account_id uuid NOT NULL,
    instrument text NOT NULL,
    side text NOT NULL,
    product text NOT NULL,
    order_type text NOT NULL,
    quantity bigint NOT NULL,
    limit_price numeric,
    state text NOT NULL,
    planned_at timestamptz NOT NULL
);
"""

Row = tuple[Any, ...]


@dataclass(slots=True)
class Floor:
    """Warm connections to everything; each run is one signal's worth of work."""

    producer: AIOKafkaProducer
    consumer: AIOKafkaConsumer
    database: asyncpg.Connection
    http: Client
    url: str
    account_ids: list[uuid.UUID]
    heads: list[dict[str, str]]
    heard: asyncio.Queue[int]
    alike: tuple[tuple[str, ...], Row] | None = None

    async def listen(self) -> None:
        """Read all the time, as a service does: the next fetch is always waiting at Kafka."""
        async for _ in self.consumer:
            self.heard.put_nowait(time.monotonic_ns())

    async def answer(self, question: dict[str, Any]) -> Any:
        match question["op"]:
            case "run":
                return await self._run(question["n"], question["concurrency"], alike=False)
            case "alike":
                return await self._run(question["n"], question["concurrency"], alike=True)
            case "commit":
                return await self._commit()
        raise ValueError(question["op"])

    async def _run(self, n: int, concurrency: int, *, alike: bool) -> dict[str, int]:
        """Hop, then make n rows durable, then send n orders."""
        if alike and self.alike is None:
            self.alike = await _row_of_the_product(self.database)
        began_ns = time.monotonic_ns()
        heard_ns = await self._hop()
        tags = orders.tags(n)
        if alike:
            await self._copy_alike(tags)
        else:
            await self._copy(tags)
        durable_ns = time.monotonic_ns()
        await self._send(orders.bodies(tags), concurrency)
        return {
            "began_ns": began_ns,
            "heard_ns": heard_ns,
            "durable_ns": durable_ns,
            "replied_ns": time.monotonic_ns(),
        }

    async def _commit(self) -> dict[str, int]:
        """Hop, then one row: the floor of a first order."""
        began_ns = time.monotonic_ns()
        await self._hop()
        row = self._rows(orders.tags(1))[0]
        await self.database.execute(_INSERT_ONE, *row)
        return {"began_ns": began_ns, "durable_ns": time.monotonic_ns()}

    async def _hop(self) -> int:
        await self.producer.send(TOPIC, _RECORD, partition=0)
        return await self.heard.get()

    def _rows(self, tags: Sequence[str]) -> list[Row]:
        signal_id, now = uuid.uuid4(), datetime.now(UTC)
        fixed = (orders.INSTRUMENT, "BUY", "INTRADAY", "LIMIT", orders.QUANTITY, orders.PRICE)
        return [
            (uuid.uuid4(), tag, signal_id, account_id, *fixed, "SENDING", now)
            for tag, account_id in zip(tags, self.account_ids, strict=False)
        ]

    async def _copy(self, tags: Sequence[str]) -> None:
        await self.database.copy_records_to_table(
            _BARE, schema_name="bench", columns=_COLUMNS, records=self._rows(tags)
        )

    async def _copy_alike(self, tags: Sequence[str]) -> None:
        assert self.alike is not None
        columns, row = self.alike
        at = {name: columns.index(name) for name in ("order_id", "client_order_id", "account_id")}
        rows = []
        for tag, account_id in zip(tags, self.account_ids, strict=False):
            mine = list(row)
            mine[at["order_id"]], mine[at["client_order_id"]] = uuid.uuid4(), tag
            mine[at["account_id"]] = account_id
            rows.append(mine)
        # A signal of its own: (signal_id, account_id, leg, issue) is unique.
        signal_id, place = uuid.uuid4(), columns.index("signal_id")
        for mine in rows:
            mine[place] = signal_id
        await self.database.copy_records_to_table(
            _ALIKE, schema_name="bench", columns=columns, records=rows
        )

    async def _send(self, bodies: Sequence[bytes], concurrency: int) -> None:
        left = iter(range(len(bodies)))

        async def lane() -> None:
            for at in left:
                request = self.http.post(self.url).headers(self.heads[at]).body_bytes(bodies[at])
                response = await request.build().send()
                await response.bytes()

        await asyncio.gather(*(lane() for _ in range(min(concurrency, len(bodies)))))


_INSERT_ONE = (
    f"INSERT INTO bench.{_BARE} ({', '.join(_COLUMNS)}) "  # noqa: S608 (constants)
    f"VALUES ({', '.join(f'${at}' for at in range(1, len(_COLUMNS) + 1))})"
)


async def _row_of_the_product(database: asyncpg.Connection) -> tuple[tuple[str, ...], Row]:
    """Build a table like the product's and take one of its rows as the pattern."""
    await database.execute(
        f"CREATE TABLE IF NOT EXISTS bench.{_ALIKE} (LIKE executor.orders INCLUDING ALL)"
    )
    found = await database.fetch(
        """SELECT column_name FROM information_schema.columns
        WHERE table_schema = 'executor' AND table_name = 'orders' AND column_default IS NULL
            AND is_generated = 'NEVER' ORDER BY ordinal_position"""
    )
    columns = tuple(row["column_name"] for row in found)
    row = await database.fetchrow(
        f"SELECT {', '.join(columns)} FROM executor.orders LIMIT 1"  # noqa: S608 (catalogue names)
    )
    if row is None:
        raise LookupError("the product has no order yet to take as a pattern")
    return columns, tuple(row)


def _client() -> Client:
    return (
        ClientBuilder()
        .http1_only()
        .follow_redirects(False)
        .no_proxy()
        .max_connections(1024)
        .pool_idle_timeout(timedelta(seconds=300))
        .timeout(timedelta(seconds=30))
        .build()
    )


async def main(settings: dict[str, Any]) -> None:
    answers = take_output()
    raise_file_limit()
    kafka = settings["kafka"]
    producer = AIOKafkaProducer(bootstrap_servers=kafka, acks="all", enable_idempotence=True)
    consumer = AIOKafkaConsumer(bootstrap_servers=kafka, auto_offset_reset="latest")
    consumer.assign([TopicPartition(TOPIC, 0)])
    await producer.start()
    await consumer.start()
    await consumer.seek_to_end()
    # Else the first wait may begin before the end is known, and miss its record.
    await consumer.position(TopicPartition(TOPIC, 0))
    database = await asyncpg.connect(settings["postgres"])
    ids = [uuid.UUID(account_id) for account_id in settings["account_ids"]]
    floor = Floor(
        producer=producer,
        consumer=consumer,
        database=database,
        http=_client(),
        url=settings["broker"] + orders.PATH,
        account_ids=ids,
        heads=orders.heads([str(account_id) for account_id in ids]),
        heard=asyncio.Queue(),
    )
    listening = asyncio.create_task(floor.listen())
    try:
        await serve(answers, floor.answer)
    finally:
        listening.cancel()
        await floor.http.close()
        await database.close()
        await consumer.stop()
        await producer.stop()


if __name__ == "__main__":
    import json
    from pathlib import Path

    uvloop.run(main(json.loads(Path(sys.argv[1]).read_text())))
