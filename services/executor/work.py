"""The loops of one replica: dispatch, sweep, refresh. Each survives Postgres being away."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial

import structlog

from libs.contracts.codec import Record, Undecodable
from libs.contracts.dead_letters import unusable
from services.executor.flow import ExecutorFlow
from services.executor.followers import Followers, ShardsLost
from services.executor.lanes import Lanes
from services.executor.recording import POISON
from services.executor.repository import Repository
from services.executor.sessions import Sessions
from services.executor.shards import TROUBLE, OwnedShards
from services.executor.watching import Recently, Watch
from services.executor.without_kafka import WithoutKafka

log = structlog.get_logger()

_BACKOFF_FIRST_S = 0.1
_BACKOFF_MAX_S = 2.0
# A change can carry an earlier stamp than one we have seen: look back a little, versions decide.
_LOOK_BACK = timedelta(seconds=10)


@dataclass(slots=True)
class Work:
    flow: ExecutorFlow
    lanes: Lanes
    followers: Followers
    sessions: Sessions
    repository: Repository
    shards: OwnedShards
    claim_chunk: int
    sweep_every_s: float
    ledger_away: Recently = field(default_factory=Recently)
    _planning: asyncio.Lock = field(default_factory=asyncio.Lock)
    _seen_until: datetime | None = field(default=None)

    async def plan(self, records: Sequence[Record | Undecodable]) -> bool:
        """Plan a batch, waiting out a Postgres that is away. False when the shards are gone."""
        backoff_s = _BACKOFF_FIRST_S
        while True:
            if not await self.shards.ready({record.partition for record in records}):
                return False
            try:
                async with self._planning:
                    await self.flow.plan(records)
            except ShardsLost as error:
                log.info("planning_stops", reason=str(error))
                # Whoever has to load them or let them go needs a turn.
                await asyncio.sleep(backoff_s)
            except POISON as error:
                await self._plan_without_poison(records, error)
                return True
            except TROUBLE as error:
                log.warning("planning_waits", records=len(records), error=str(error))
                self.ledger_away.note(error=str(error))
                await asyncio.sleep(backoff_s)
                backoff_s = min(backoff_s * 2, _BACKOFF_MAX_S)
            else:
                return True

    async def _plan_without_poison(
        self, records: Sequence[Record | Undecodable], error: Exception
    ) -> None:
        """Plan one by one; what cannot be planned is kept whole for a person, not in the way."""
        if len(records) > 1:
            for record in records:
                await self.plan([record])
        elif isinstance(record := records[0], Record):
            log.error("record_buried", topic=record.topic, offset=record.offset, error=str(error))
            await self.plan([unusable(record, str(error))])
        else:
            raise error

    async def dispatch(self) -> None:
        """Dispatch until the lanes are closed; a chunk that was claimed is always sent."""
        while due := await self.lanes.due(self.claim_chunk):
            await self._survive("dispatch", partial(self.flow.dispatch, due))

    async def sweep(self) -> None:
        await self.every(self.sweep_every_s, "sweep", self.flow.sweep)

    async def refresh(self) -> None:
        """Poll for limits of accounts that changed, and for what the bus may not have told."""
        while True:
            await asyncio.sleep(self.sweep_every_s)
            if self.shards.assigned:
                await self._survive("refresh", self._refresh)

    async def fetch_sessions(self) -> None:
        """Fetch wanted sessions; what was held for want of one is due again at the next sweep."""
        await self.sessions.fetch_wanted(lambda fresh: log.info("sessions_opened", n=len(fresh)))

    async def read_signals(self, without_kafka: WithoutKafka) -> None:
        """Ask for Kafka and plan what it did not bring, for ever."""

        async def look() -> None:
            await without_kafka.ask()
            await without_kafka.read()

        await self.every(self.sweep_every_s, "read_signals", look)

    async def watch(self, watch: Watch) -> None:
        """Raise and clear the alarms of this replica, for ever."""
        await self.every(self.sweep_every_s, "alarms", watch.look)

    async def every(self, pause_s: float, name: str, step: Callable[[], Awaitable[object]]) -> None:
        """Do a step for ever, waiting in between; a Postgres that is away costs a turn."""
        while True:
            await self._survive(name, step)
            await asyncio.sleep(pause_s)

    async def _refresh(self) -> None:
        now = await self.repository.now()
        since = self._seen_until or now - _LOOK_BACK
        for account in await self.repository.accounts(changed_after=since - _LOOK_BACK):
            if self.followers.learn_account(account):
                self.sessions.learn(account)
        for follow in await self.repository.follows(changed_after=since - _LOOK_BACK):
            self.followers.learn_follow(follow)
        for limits in await self.repository.account_limits(changed_after=since - _LOOK_BACK):
            if self.followers.learn_limits(limits):
                log.info("account_limits_learnt", account_id=limits.account_id)
        self._seen_until = now

    async def _survive(self, name: str, step: Callable[[], Awaitable[object]]) -> None:
        try:
            await step()
        except TROUBLE as error:
            log.warning("work_waits", work=name, error=str(error))
            self.ledger_away.note(error=str(error))
            await asyncio.sleep(0.5)
