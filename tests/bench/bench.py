"""What every section of the bench works with: product, workers, crowds, figures, progress."""

import asyncio
import time
import uuid
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field

import asyncpg
import httpx
from aiokafka import AIOKafkaProducer
from redis.asyncio import Redis

from tests.bench.crowd import Crowd, Group
from tests.bench.feed import Feed
from tests.bench.figures import Figures, first, last
from tests.bench.meter import Meter, Shot
from tests.bench.stack import PARTITIONS, Product, write_settings
from tests.bench.worker import Worker

SIZES = (10, 100, 1000)
BROKER_MS = (5, 60)
LARGEST = max(SIZES)
_LINE_EVERY_S = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    quick: bool
    rounds: int

    @property
    def sustained_s(self) -> int:
        return 10 if self.quick else 60

    @property
    def ledger_rows(self) -> int:
        return 200_000 if self.quick else 5_000_000

    @property
    def others(self) -> int:
        return 2_000 if self.quick else 20_000


@dataclass(slots=True)
class Bench:
    options: Options
    product: Product
    meter: Meter
    crowd: Crowd
    pool: asyncpg.Pool
    floor: Worker
    baselines: Worker
    master_id: str
    groups: dict[int, Group]
    figures: Figures = field(default_factory=Figures)
    checked: set[str] = field(default_factory=set)
    _step: str = ""
    _noted_at: float = 0.0

    def begin(self, step: str) -> None:
        self._step = step
        self.product.stack.screen.begin(step)

    def note(self, note: str) -> None:
        """Show progress; without a terminal a line now and then."""
        screen, now = self.product.stack.screen, time.monotonic()
        if screen.console.is_terminal:
            screen.note(self._step, note)
        elif now - self._noted_at > _LINE_EVERY_S:
            self._noted_at = now
            screen.say(f"  {self._step}: {note}")

    def end(self, note: str = "") -> None:
        self.product.stack.screen.end(self._step, note)

    async def quiet(self, n: float) -> None:
        """Let what follows an order (outcomes, events) pass, so that it is not in the next shot."""
        await asyncio.sleep(0.2 + n / 1000)

    async def warm_up(self, broker_ms: int = 5, times: int = 3) -> None:
        """Fire unmeasured shots: connections open, plans are cached, code is loaded."""
        for _ in range(times):
            for n in SIZES:
                await self.meter.product(self.groups[n], broker_ms)
            await self.meter.client(self.floor, "run", LARGEST, broker_ms, concurrency=LARGEST)
            await self.quiet(LARGEST)

    async def shot(self, who: str, n: int, broker_ms: int) -> Shot:
        """Measure the product once and keep it under this name."""
        shot = await self.meter.product(self.groups[n], broker_ms)
        self.keep(who, n, broker_ms, shot)
        await self.quiet(n)
        return shot

    async def floor_shot(self, who: str, op: str, n: int, broker_ms: int, concurrency: int) -> Shot:
        shot = await self.meter.client(self.floor, op, n, broker_ms, concurrency=concurrency)
        self.keep(who, n, broker_ms, shot)
        await self.quiet(n / 4)
        return shot

    def keep(self, who: str, n: int, broker_ms: int, shot: Shot) -> None:
        if not shot.whole:
            return
        self.figures.add(first(who, n, broker_ms), shot.first_ms)
        self.figures.add(last(who, n, broker_ms), shot.last_ms)
        for stage, at_ms in shot.stages_ms.items():
            self.figures.add(f"{who}_{stage}_of_{n}_broker_{broker_ms}ms", at_ms)

    async def check(self) -> None:
        """Hold the ledger against everything the broker ever saw."""
        at_broker = await self.meter.broker.ask("tags")
        self.meter.doubled += [f"tag {tag}" for tag in at_broker["doubled"]]
        ours = {tag for tag in at_broker["all"] if not tag.startswith("F")} - self.checked
        rows = await self.pool.fetch(
            """SELECT client_order_id FROM executor.orders
            WHERE sent_at IS NOT NULL AND signal_id IN (SELECT signal_id FROM signal.signals)"""
        )
        sent = {row["client_order_id"] for row in rows} - self.checked
        self.meter.lost += [f"tag {tag} is not at the broker" for tag in sorted(sent - ours)]
        self.meter.lost += [f"tag {tag} is not in the ledger" for tag in sorted(ours - sent)]
        self.checked |= ours


@asynccontextmanager
async def opened_bench(product: Product, options: Options) -> AsyncIterator[Bench]:
    """Open connections, start the workers, make the crowds. No executor runs yet."""
    async with AsyncExitStack() as stack:
        pool = await stack.enter_async_context(
            asyncpg.create_pool(product.addresses.postgres_dsn, min_size=1, max_size=4)
        )
        redis = Redis.from_url(product.addresses.redis_url)
        stack.push_async_callback(redis.aclose)
        crowd = Crowd(pool, redis, product.stack.keys.session_encryption_key)
        master_id, key = await crowd.master()
        groups = {n: await crowd.group(master_id, n) for n in SIZES}
        signal = await stack.enter_async_context(
            httpx.AsyncClient(
                base_url=product.signal_url,
                headers={"Authorization": f"Bearer {key}"},
                timeout=30,
                trust_env=False,
            )
        )
        producer = AIOKafkaProducer(
            bootstrap_servers=product.addresses.kafka_bootstrap_servers, acks="all", linger_ms=5
        )
        await producer.start()
        stack.push_async_callback(producer.stop)
        # Floors and baselines trade in accounts of their own: the product must not meet them.
        workers = await _workers(product, [str(uuid.uuid4()) for _ in range(LARGEST)], stack)
        yield Bench(
            options=options,
            product=product,
            meter=Meter(
                broker=workers[0], pool=pool, signal=signal, feed=Feed(producer, PARTITIONS)
            ),
            crowd=crowd,
            pool=pool,
            floor=workers[1],
            baselines=workers[2],
            master_id=master_id,
            groups=groups,
        )


async def _workers(
    product: Product, account_ids: Sequence[str], stack: AsyncExitStack
) -> list[Worker]:
    url = f"http://127.0.0.1:{product.broker_port}"
    settings = write_settings(
        product.stack.layout.state / "floor.json",
        kafka=product.addresses.kafka_bootstrap_servers,
        postgres=product.addresses.postgres_dsn,
        broker=url,
        account_ids=account_ids,
    )
    wanted = (("broker", str(product.broker_port)), ("floor", str(settings)), ("baselines", url))
    workers = []
    for name, word in wanted:
        worker = await Worker.start(name, product.log / f"bench-{name}.log", word)
        stack.push_async_callback(worker.stop)
        workers.append(worker)
    return workers
