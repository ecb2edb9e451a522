"""Builds the parts of one replica around one pool: memory, ledger, lanes, flow, loops."""

import gc
import os
import secrets
import socket
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import asyncpg
from uuid_utils import uuid7

from libs.trading.market import Market
from libs.trading.shards import shard_of
from libs.trading.tags import mint_client_order_id
from services.executor.alarms import AlarmName, Alarms, ManyAlarms
from services.executor.balances import load_standings
from services.executor.baseline import Baseline
from services.executor.births import Births
from services.executor.breaches import Breaches
from services.executor.breaker import Breaker
from services.executor.claiming import Claims
from services.executor.clock import DatabaseClock
from services.executor.day_rows import DayRows
from services.executor.departure import Departure
from services.executor.fanout import Fanout
from services.executor.flow import ExecutorFlow
from services.executor.followers import Followers
from services.executor.gateways import OpenGateways
from services.executor.lanes import Lanes
from services.executor.leases import Leases
from services.executor.ledger import PostgresLedger
from services.executor.market import MarketGate
from services.executor.notices import notices_of
from services.executor.pace import Pace
from services.executor.quotes import SharedQuotes
from services.executor.reconciliation import Reconciliation, build_reconciliation
from services.executor.recording import Recorder
from services.executor.repository import Repository
from services.executor.rows import Holding
from services.executor.sessions import Sessions, Source
from services.executor.settings import ExecutorSettings
from services.executor.shards import OwnedShards
from services.executor.standings import Standings
from services.executor.sweeping import Sweeper
from services.executor.watching import Figures, Recently, Watched
from services.executor.work import Work

# Of the requests a broker grants an account. Streaming and auth have 30 %, our own reads 20 % of
# what is left.
_ORDERS_SHARE = 0.7 * 0.8
_NEVER_USED = 2
# So many readings of an account's money may fail before it counts as unknown.
_READ_AGAIN = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Replica:
    """What the wiring needs to hold on to."""

    repository: Repository
    ledger: PostgresLedger
    lanes: Lanes
    shards: OwnedShards
    work: Work
    reconciliation: Reconciliation


def build_replica(
    settings: ExecutorSettings,
    pool: asyncpg.Pool,
    source: Source,
    gateways: OpenGateways,
    partitions: int,
    alarms: ManyAlarms,
) -> Replica:
    followers = Followers(settings.broker, partitions)
    repository = Repository(pool, settings.broker, partitions)
    owner = owner_name()
    departure = _departure(settings, pool, source, gateways, repository, alarms)
    standings = Standings(now=departure.clock.now, lasts_s=_READ_AGAIN * settings.balances_every_s)
    memory = _Memory(followers, repository, departure, gateways, standings)
    shards = OwnedShards(
        leases=Leases(pool, settings.broker, owner, settings.lease_s),
        load=memory.load,
        forget=memory.forget,
    )
    ledger = _ledger(settings, pool, shards, departure)
    flow = ExecutorFlow(
        followers=followers,
        fanout=_fanout(settings, gateways, followers, standings),
        ledger=ledger,
        sources=repository,
        lanes=Lanes(settings.in_flight_max),
        sessions=departure.sessions,
        departure=departure,
        gateways=gateways,
        prices=SharedQuotes(
            sessions=departure.sessions,
            doors=gateways,
            requests_per_minute_max=gateways.manifest.requests_per_minute_max,
        ),
        standings=standings,
        refusals_prove=gateways.manifest.refused_before_processing_confirmed,
        waiting_max=settings.waiting_max,
        shed=Recently(settings.alarm_lasts_s),
        refilled=Recently(settings.alarm_lasts_s),
    )
    work = Work(
        flow=flow,
        lanes=flow.lanes,
        followers=followers,
        sessions=departure.sessions,
        repository=repository,
        shards=shards,
        claim_chunk=settings.claim_chunk,
        sweep_every_s=settings.sweep_every_s,
        ledger_away=Recently(settings.alarm_lasts_s),
    )
    return Replica(
        repository=repository,
        ledger=ledger,
        lanes=flow.lanes,
        shards=shards,
        work=work,
        reconciliation=build_reconciliation(settings, pool, ledger, flow, gateways, alarms),
    )


def _departure(
    settings: ExecutorSettings,
    pool: asyncpg.Pool,
    source: Source,
    gateways: OpenGateways,
    repository: Repository,
    alarms: Alarms,
) -> Departure:
    manifest = gateways.manifest
    return Departure(
        sessions=Sessions(source, settings.broker),
        market=MarketGate(
            market=Market(has_derivatives=gateways.instruments().has_derivatives),
            paper=settings.paper_market,
        ),
        clock=DatabaseClock(
            ask=repository.now,
            alarms=alarms,
            subject=f"host:{socket.gethostname()}",
            every_s=settings.clock_every_s,
        ),
        pace=Pace(
            # Requests bunch up on their way: two of ten stay unused, two more are for ways out.
            per_window_max=manifest.orders_per_second_max - _NEVER_USED,
            per_minute_max=int(manifest.requests_per_minute_max * _ORDERS_SHARE),
        ),
        breaches=Breaches(pool),
        unreadable=Recently(settings.alarm_lasts_s),
        new_breaker=lambda: Breaker(
            failures_max=settings.breaker_failures_max, cooldown_s=settings.breaker_cooldown_s
        ),
    )


def _ledger(
    settings: ExecutorSettings, pool: asyncpg.Pool, shards: OwnedShards, departure: Departure
) -> PostgresLedger:
    def holding() -> Holding:
        return Holding(owner=shards.leases.owner, epochs=dict(shards.epochs))

    return PostgresLedger(
        pool=pool,
        broker=settings.broker,
        new=Births(settings.broker, settings.answer_timeout_s, settings.planning_chunk, holding),
        claims=Claims(pool, settings.answer_timeout_s),
        recorder=Recorder(settings.attempts_max),
        sweeper=Sweeper(settings.broker, settings.lost_answer_grace_s),
        breaches=departure.breaches,
        holding=holding,
        notices_of=notices_of,
    )


def watched(
    settings: ExecutorSettings, replica: Replica, away: Callable[[], Figures | None]
) -> list[Watched]:
    """List what this replica raises an alarm about for as long as it is so."""
    flow, work = replica.work.flow, replica.work
    departure, broker = flow.departure, f"broker:{settings.broker}"

    def broker_away() -> Figures | None:
        environments = departure.away()
        return {of.value: state.value for of, state in environments.items()} or None

    def calendar_ends() -> Figures | None:
        return departure.market.ends_soon(departure.clock.now())

    return [
        Watched.one(AlarmName.BROKER_AWAY, broker, broker_away),
        Watched.one(AlarmName.BROKER_ANSWER_UNREADABLE, broker, departure.unreadable.stands),
        Watched.one(AlarmName.BACKLOG_SHED, broker, flow.shed.stands),
        Watched.one(AlarmName.LEDGER_AWAY, broker, work.ledger_away.stands),
        Watched.one(AlarmName.KAFKA_AWAY, broker, away),
        Watched.one(AlarmName.SIGNALS_REFILLED, broker, flow.refilled.stands),
        Watched.one(AlarmName.CALENDAR_ENDS, "market_hours", calendar_ends),
        Watched(
            name=AlarmName.SESSION_REFUSED,
            standing=departure.sessions.refused,
            judged_here=lambda subject: subject.removeprefix("account:") in flow.followers.accounts,
        ),
    ]


def _fanout(
    settings: ExecutorSettings, gateways: OpenGateways, followers: Followers, standings: Standings
) -> Fanout:
    key = bytes.fromhex(settings.order_tag_key.get_secret_value())
    return Fanout(
        manifest=gateways.manifest,
        instruments=gateways.instruments(),
        partitions=followers.partitions,
        standings=standings,
        mint_order_id=lambda: str(uuid7()),
        mint_tag=lambda: mint_client_order_id(key),
        account_limits=followers.limits,
    )


def owner_name() -> str:
    """Name this process so that no other one, before or after, is called the same."""
    return f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(3)}"


@dataclass(frozen=True, slots=True)
class _Memory:
    """What must be in memory before a shard's first signal is planned."""

    followers: Followers
    repository: Repository
    departure: Departure
    gateways: OpenGateways
    standings: Standings

    async def load(self, shards: Sequence[int]) -> None:
        wanted, partitions = set(shards), self.followers.partitions
        accounts = [
            account
            for account in await self.repository.accounts()
            if shard_of(account.account_id, partitions) in wanted
        ]
        follows = await self.repository.follows()
        planned = await self.repository.planned(shards)
        account_ids = [account.account_id for account in accounts]
        await self.departure.breaches.load(account_ids)
        pool, broker = self.repository.pool, self.repository.broker
        await load_standings(self.standings, DayRows(pool, broker), Baseline(pool), accounts)
        fresh = await self.departure.sessions.load(account_ids)
        # Read last: what changes from now on is found by the poll. Without them nothing is planned.
        limits = await self.repository.account_limits()
        self.followers.take(shards, follows, accounts, planned, limits)
        self.departure.pace.begin(account_ids, time.monotonic())
        for environment in {session.environment for session in fresh}:
            gateway = self.gateways.of(environment)
            await gateway.warm([s for s in fresh if s.environment is environment])
            if (market := self.gateways.market(environment)) is not None:
                await market.warm()
        # What was loaded stays: a collection in the middle of a fan-out need not look through it.
        gc.freeze()

    def forget(self, shards: Iterable[int]) -> None:
        lost = self.followers.drop(shards)
        self.departure.sessions.forget(lost)
        self.standings.forget(lost)
        self.departure.pace.forget(lost)
