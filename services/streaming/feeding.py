"""The brokers' side put together: accounts and leases decide which feeds the flow holds."""

import os
import secrets
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

import asyncpg
import structlog

from libs.runtime.alarms import Alarms
from libs.runtime.bus import Publisher
from libs.runtime.postgres import UNREACHABLE
from libs.trading.accounts import Account, SessionState
from services.streaming.accounts import Accounts
from services.streaming.board import FeedBoard
from services.streaming.doors import BrokerDoors, brokers_with_order_feed
from services.streaming.feeds import FeedKeeper
from services.streaming.flow import FeedFlow, Pace
from services.streaming.leases import LeaseKeeper, Shard
from services.streaming.outages import Outages
from services.streaming.repository import StreamingRepository
from services.streaming.sessions import BulkSessions
from services.streaming.settings import StreamingSettings
from services.streaming.updates import BusUpdates
from services.streaming.waiting import RealTime

log = structlog.get_logger()

POSTGRES_AWAY = (asyncpg.PostgresError, *UNREACHABLE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Feeding:
    accounts: Accounts
    leases: LeaseKeeper
    keeper: FeedKeeper
    updates: BusUpdates
    board: FeedBoard
    outages: Outages
    doors: BrokerDoors

    @asynccontextmanager
    async def closing(self) -> AsyncIterator[None]:
        """On a clean stop: close the lines, then the doors, then give the leases back."""
        try:
            yield
        finally:
            await self.keeper.close()
            await self.doors.aclose()
            try:
                await self.leases.leave()
            except POSTGRES_AWAY as error:
                log.warning("leases_left_to_expire", problem=str(error))


def put_together(
    settings: StreamingSettings,
    *,
    repository: StreamingRepository,
    publisher: Publisher,
    alarms: Alarms,
    sessions: BulkSessions,
    partitions: int,
) -> Feeding:
    time = RealTime()
    owner = replica_name()
    brokers = brokers_with_order_feed()
    doors = BrokerDoors(simulator_url=settings.simulator_url)

    # Keeper, accounts and updates speak to each other; these two close the circle.
    def on_account(account: Account) -> None:
        if account.session_state is not SessionState.CONNECTED:
            sessions.forget(account.account_id)
        keeper.consider(account)

    def reread(account_ids: frozenset[str]) -> None:
        keeper.reread(account_ids)

    async def on_shards(owned: Mapping[Shard, int]) -> None:
        await keeper.set_shards(owned)

    updates = BusUpdates(publisher=publisher, partitions=partitions, reread=reread)
    flow = FeedFlow(
        sessions=sessions, doors=doors, updates=updates, time=time, pace=_pace(settings)
    )
    accounts = Accounts(table=repository, on_change=on_account)
    keeper = FeedKeeper(
        hold=flow.hold,
        accounts=lambda: accounts,
        now=time.now,
        brokers=frozenset(brokers),
        partitions=partitions,
    )
    return Feeding(
        accounts=accounts,
        leases=LeaseKeeper(
            table=repository,
            owner=owner,
            brokers=brokers,
            partitions=partitions,
            on_change=on_shards,
        ),
        keeper=keeper,
        updates=updates,
        board=FeedBoard(table=repository, keeper=keeper, owner=owner),
        outages=Outages(
            table=repository,
            alarms=alarms,
            keeper=keeper,
            alarm_after_s=settings.down_alarm_after_s,
        ),
        doors=doors,
    )


def replica_name() -> str:
    """Unlike any other process, also one with the same process id in another container."""
    return f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(3)}"


def _pace(settings: StreamingSettings) -> Pace:
    return Pace(
        connects_at_once=settings.connects_at_once,
        book_reads_at_once=settings.book_reads_at_once,
        book_reread_s=settings.book_reread_s,
        book_reread_idle_s=settings.book_reread_idle_s,
    )
