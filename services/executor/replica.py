"""Builds the parts of one replica around one pool: memory, ledger, lanes, flow, loops."""

import os
import secrets
import socket
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import asyncpg
from uuid_utils import uuid7

from libs.trading.shards import shard_of
from libs.trading.tags import mint_client_order_id
from services.executor.births import Births
from services.executor.claiming import Claims
from services.executor.fanout import Fanout
from services.executor.flow import ExecutorFlow
from services.executor.followers import Followers
from services.executor.gateways import OpenGateways
from services.executor.lanes import Lanes
from services.executor.leases import Leases
from services.executor.ledger import PostgresLedger
from services.executor.notices import notices_of
from services.executor.pace import Pace
from services.executor.reconciliation import Reconciliation, build_reconciliation
from services.executor.recording import Recorder
from services.executor.repository import Repository
from services.executor.rows import Holding
from services.executor.sessions import Sessions, Source
from services.executor.settings import ExecutorSettings
from services.executor.shards import OwnedShards
from services.executor.sweeping import Sweeper
from services.executor.work import Work


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
) -> Replica:
    followers = Followers(settings.broker, partitions)
    lanes = Lanes(settings.in_flight_max)
    pace = Pace(per_window_max=gateways.manifest.orders_per_second_max)
    sessions = Sessions(source, settings.broker)
    repository = Repository(pool, settings.broker, partitions)
    memory = _Memory(followers, repository, sessions, pace, gateways)
    shards = OwnedShards(
        leases=Leases(pool, settings.broker, owner_name(), settings.lease_s),
        load=memory.load,
        forget=memory.forget,
    )

    def holding() -> Holding:
        return Holding(owner=shards.leases.owner, epochs=dict(shards.epochs))

    ledger = PostgresLedger(
        pool=pool,
        broker=settings.broker,
        new=Births(settings.broker, settings.answer_timeout_s, settings.planning_chunk, holding),
        claims=Claims(pool, settings.answer_timeout_s),
        recorder=Recorder(settings.attempts_max),
        sweeper=Sweeper(settings.broker, settings.lost_answer_grace_s),
        holding=holding,
        notices_of=notices_of,
    )
    flow = ExecutorFlow(
        followers=followers,
        fanout=_fanout(settings, gateways, partitions),
        ledger=ledger,
        sources=repository,
        lanes=lanes,
        sessions=sessions,
        gateways=gateways,
        pace=pace,
        refusals_prove=gateways.manifest.refused_before_processing_confirmed,
    )
    work = Work(
        flow=flow,
        lanes=lanes,
        followers=followers,
        sessions=sessions,
        repository=repository,
        shards=shards,
        claim_chunk=settings.claim_chunk,
        sweep_every_s=settings.sweep_every_s,
    )
    return Replica(
        repository=repository,
        ledger=ledger,
        lanes=lanes,
        shards=shards,
        work=work,
        reconciliation=build_reconciliation(settings, pool, ledger, flow, gateways),
    )


def _fanout(settings: ExecutorSettings, gateways: OpenGateways, partitions: int) -> Fanout:
    key = bytes.fromhex(settings.order_tag_key.get_secret_value())
    return Fanout(
        manifest=gateways.manifest,
        instruments=gateways.instruments(),
        partitions=partitions,
        mint_order_id=lambda: str(uuid7()),
        mint_tag=lambda: mint_client_order_id(key),
    )


def owner_name() -> str:
    """Name this process so that no other one, before or after, is called the same."""
    return f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(3)}"


@dataclass(frozen=True, slots=True)
class _Memory:
    """What must be in memory before a shard's first signal is planned."""

    followers: Followers
    repository: Repository
    sessions: Sessions
    pace: Pace
    gateways: OpenGateways

    async def load(self, shards: Sequence[int]) -> None:
        wanted, partitions = set(shards), self.followers.partitions
        accounts = [
            account
            for account in await self.repository.accounts()
            if shard_of(account.account_id, partitions) in wanted
        ]
        follows = await self.repository.follows()
        planned = await self.repository.planned(shards)
        fresh = await self.sessions.load([account.account_id for account in accounts])
        self.followers.take(shards, follows, accounts, planned)
        self.pace.begin([account.account_id for account in accounts], time.monotonic())
        for environment in {session.environment for session in fresh}:
            gateway = self.gateways.of(environment)
            await gateway.warm([s for s in fresh if s.environment is environment])

    def forget(self, shards: Iterable[int]) -> None:
        lost = self.followers.drop(shards)
        self.sessions.forget(lost)
        self.pace.forget(lost)
