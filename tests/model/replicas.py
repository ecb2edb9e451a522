"""One executor replica: the product's flow, lanes, followers, settling and loops, all for real."""

import asyncio
from collections.abc import Coroutine, Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

from aiokafka import TopicPartition

from libs.brokers import registry
from libs.brokers.protocol import AccountReader
from libs.contracts import topics
from libs.trading.accounts import Environment
from libs.trading.instruments import Instrument
from libs.trading.market import Market
from libs.trading.quotes import Quote
from libs.trading.shards import shard_of
from services.executor.breaker import Breaker
from services.executor.clock import DatabaseClock
from services.executor.departure import Departure
from services.executor.executions import ExecutionReads
from services.executor.fanout import Fanout
from services.executor.flow import ExecutorFlow
from services.executor.followers import Followers
from services.executor.lanes import Lanes
from services.executor.market import MarketGate, PaperMarket
from services.executor.pace import Pace
from services.executor.reads import AccountReads, Errands
from services.executor.rows import Holding
from services.executor.sessions import Sessions
from services.executor.settling import Settling
from services.executor.shards import OwnedShards
from services.executor.standings import Standings
from services.executor.syncing import Syncing
from services.executor.work import Work
from tests.model.breaches_in_memory import BreachesInMemory
from tests.model.broker import INSTRUMENTS, BrokerOfManyMoods, OrderDoor
from tests.model.bus import BusInMemory, Consumer
from tests.model.database_line import DatabaseLine
from tests.model.ledger_in_memory import LedgerInMemory
from tests.model.masters import SHARDS
from tests.model.reconciliation_in_memory import BaselineInMemory, DoubtsInMemory, SilentAlarms
from tests.model.statements import StatementsInMemory, Timings
from tests.model.tables import Tables
from tests.model.views import BROKER, LeasesInMemory, ViewsInMemory
from tests.model.virtual_time import ProcessLoop, VirtualTime

if TYPE_CHECKING:
    from services.executor.baseline import Baseline
    from services.executor.breaches import Breaches
    from services.executor.flow import Ledger
    from services.executor.leases import Leases
    from services.executor.repository import Repository


class NoPrices:
    """The model's masters name a price for everything."""

    async def of(self, instrument: str, environment: Environment) -> Quote | None:
        return None

    async def aclose(self) -> None:
        return None


class ListedInstruments:
    def __init__(self) -> None:
        self._listed = {name: Instrument(name=name) for name in INSTRUMENTS}

    def find(self, name: str) -> Instrument | None:
        return self._listed.get(name)

    def has_derivatives(self, underlying: str) -> bool | None:
        return None


@dataclass(frozen=True, slots=True)
class OneDoor:
    """Paper and live are not this test's business."""

    door: OrderDoor

    def of(self, environment: Environment) -> OrderDoor:
        return self.door

    def account(self, environment: Environment) -> AccountReader:
        return cast("AccountReader", self.door)


@dataclass(slots=True, kw_only=True)
class Replica:
    """`life` counts restarts: each has a new owner name, a new loop and no memory."""

    name: str
    clock: VirtualTime
    process: ProcessLoop
    line: DatabaseLine
    shards: OwnedShards
    ledger: LedgerInMemory
    consumer: Consumer
    work: Work
    settling: Settling
    assigned: set[int] = field(default_factory=set)
    rejoining: asyncio.Lock = field(default_factory=asyncio.Lock)

    def start(self) -> None:
        every_s = self.ledger.statements.timings.sweep_every_s
        for loop in (
            self.ledger.write_batches(),
            self.shards.keep(),
            self.work.fetch_sessions(),
            self.work.refresh(),
            self.work.sweep(),
            self.work.every(every_s, "settle", self.settling.settle),
            self.work.dispatch(),
            self.work.flow.departure.clock.keep(),
            self.consume(),
        ):
            self.spawn(loop)

    def spawn(self, coroutine: Coroutine[Any, Any, None]) -> None:
        self.process.create_task(coroutine).add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        error = None if task.cancelled() else task.exception()
        if error is not None:
            # In the product the whole process stops: nothing may kill a loop.
            self.process.complaints.append({"message": "a loop died", "exception": error})

    async def consume(self) -> None:
        while True:
            records = await self.consumer.fetch()
            if await self.work.plan(records):
                self.consumer.done(records)
            else:
                await asyncio.sleep(0.1)

    async def rejoin(self, generation: int, shards: set[int]) -> None:
        """Give everything back, wait for the others to do so, and take what the group decided."""
        async with self.rejoining:
            self.consumer.revoke()
            await self.shards.on_partitions_revoked(_partitions(self.assigned))
            self.assigned = set()
            await asyncio.sleep(0.05)
            if generation == self.consumer.bus.generation:
                self.assigned = shards
                await self.shards.on_partitions_assigned(_partitions(shards))
                self.consumer.assign(shards)


@dataclass(frozen=True, slots=True)
class Household:
    """What all replicas share."""

    clock: VirtualTime
    tables: Tables
    broker: BrokerOfManyMoods
    bus: BusInMemory
    timings: Timings
    names: Any

    def replica(self, name: str, life: int) -> Replica:
        process = self.clock.process()
        line = DatabaseLine(process)
        views = ViewsInMemory(self.tables, line)
        followers = Followers(BROKER, SHARDS)
        departure = self._departure(views)
        memory = _Memory(views, followers, departure, self.clock)
        shards = OwnedShards(
            leases=cast(
                "Leases", LeasesInMemory(self.tables, line, f"{name}:{life}", self.timings.lease_s)
            ),
            load=memory.load,
            forget=memory.forget,
        )
        ledger = LedgerInMemory(
            statements=StatementsInMemory(self.tables, self.timings),
            line=line,
            breaches=cast("BreachesInMemory", departure.breaches),
            holding=lambda: Holding(owner=shards.leases.owner, epochs=dict(shards.epochs)),
        )
        doors, standings = (
            OneDoor(OrderDoor(self.broker, process)),
            Standings(now=self.clock.wall, lasts_s=1),
        )
        flow = ExecutorFlow(
            followers=followers,
            fanout=self._fanout(standings),
            ledger=cast("Ledger", ledger),
            sources=views,
            lanes=Lanes(self.timings.in_flight_max),
            sessions=departure.sessions,
            departure=departure,
            gateways=doors,
            prices=NoPrices(),
            standings=standings,
            refusals_prove=True,
            waiting_max=self.timings.waiting_max,
        )
        return Replica(
            name=name,
            clock=self.clock,
            process=process,
            line=line,
            shards=shards,
            ledger=ledger,
            consumer=Consumer(self.bus, process),
            work=Work(
                flow=flow,
                lanes=flow.lanes,
                followers=followers,
                sessions=departure.sessions,
                repository=cast("Repository", views),
                shards=shards,
                claim_chunk=self.timings.claim_chunk,
                sweep_every_s=self.timings.sweep_every_s,
            ),
            settling=self._settling(ledger, flow, doors),
        )

    def _departure(self, views: ViewsInMemory) -> Departure:
        return Departure(
            sessions=Sessions(views, BROKER),
            market=MarketGate(market=Market(), paper=PaperMarket.OPEN),
            clock=DatabaseClock(
                ask=views.now,
                alarms=SilentAlarms(),
                subject="host:model",
                wall=self.clock.wall,
                monotonic=lambda: self.clock.monotonic,
            ),
            pace=Pace(),
            breaches=cast("Breaches", BreachesInMemory(self.tables, views.line)),
            new_breaker=Breaker,
        )

    def _settling(self, ledger: LedgerInMemory, flow: ExecutorFlow, doors: OneDoor) -> Settling:
        baseline = cast("Baseline", BaselineInMemory(ledger))
        reads = AccountReads(sessions=flow.sessions, doors=doors, requests_per_minute_max=200)
        return Settling(
            doubts=DoubtsInMemory(ledger),
            record_soon=ledger.record_soon,
            reads=reads,
            syncing=Syncing(
                baseline=baseline,
                record_soon=ledger.record_soon,
                alarms=SilentAlarms(),
                tag_key=b"no tag of this model is minted under a key",
                tags_echoed=True,
            ),
            executions=ExecutionReads(reads=reads, baseline=baseline),
            errands=Errands(),
            evidence_window_s=self.timings.evidence_window_s,
        )

    def _fanout(self, standings: Standings) -> Fanout:
        return Fanout(
            manifest=registry.manifest(BROKER),
            instruments=ListedInstruments(),
            partitions=SHARDS,
            standings=standings,
            mint_order_id=lambda: f"order-{next(self.names)}",
            mint_tag=lambda: f"tag-{next(self.names)}",
        )


@dataclass(frozen=True, slots=True)
class _Memory:
    """What `replica.py` loads before a shard's first signal is planned."""

    views: ViewsInMemory
    followers: Followers
    departure: Departure
    clock: VirtualTime

    async def load(self, shards: Sequence[int]) -> None:
        accounts = [
            account
            for account in await self.views.accounts()
            if shard_of(account.account_id, SHARDS) in shards
        ]
        follows = await self.views.follows()
        planned = await self.views.planned(shards)
        ids = [account.account_id for account in accounts]
        await self.departure.breaches.load(ids)
        await self.departure.sessions.load(ids)
        self.followers.take(shards, follows, accounts, planned)
        self.departure.pace.begin(ids, self.clock.monotonic)

    def forget(self, shards: Iterable[int]) -> None:
        lost = self.followers.drop(shards)
        self.departure.sessions.forget(lost)
        self.departure.pace.forget(lost)


def _partitions(shards: Iterable[int]) -> list[TopicPartition]:
    return [TopicPartition(topic, shard) for topic in topics.EXECUTOR_INPUT for shard in shards]
