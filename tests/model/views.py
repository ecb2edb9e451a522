"""What a replica reads of other services' tables, and where its broker sessions come from."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from libs.runtime.internal_client import OpenedSession
from libs.trading.accounts import Account, SessionState
from libs.trading.follows import Follow
from libs.trading.signals import Signal
from services.executor.account_limits import AccountLimits
from tests.model.database_line import DatabaseLine
from tests.model.tables import Lease, Tables
from tests.model.virtual_time import START

BROKER = "fyers"


@dataclass(frozen=True, slots=True)
class ViewsInMemory:
    """The questions of `Repository` that the order path asks."""

    tables: Tables
    line: DatabaseLine

    async def now(self) -> datetime:
        return await self.line.ask(self.tables.now)

    async def follows(self, *, changed_after: datetime | None = None) -> list[Follow]:
        since = changed_after or START
        return await self.line.ask(
            lambda: [follow for follow, at in self.tables.follows.values() if at >= since]
        )

    async def accounts(
        self,
        *,
        changed_after: datetime | None = None,
        account_ids: Sequence[str] | None = None,
    ) -> list[Account]:
        since = changed_after or START
        return await self.line.ask(
            lambda: [
                account
                for account, at in self.tables.accounts.values()
                if at >= since and (account_ids is None or account.account_id in account_ids)
            ]
        )

    async def account_limits(self, *, changed_after: datetime | None = None) -> list[AccountLimits]:
        """Nobody here limits a whole account."""
        return await self.line.ask(list)

    async def planned(self, shards: Sequence[int]) -> dict[tuple[int, str], int]:
        return await self.line.ask(
            lambda: {key: n for key, n in self.tables.planned_seqs.items() if key[0] in shards}
        )

    async def emitted(self, master_id: str, *, after: int, before: int) -> list[Signal]:
        return await self.line.ask(
            lambda: [s for s in self.tables.emitted[master_id] if after < s.seq < before]
        )

    async def live_signals(self, master_ids: Sequence[str]) -> list[Signal]:
        return await self.line.ask(
            lambda: [
                signal
                for master_id in master_ids
                for signal in self.tables.emitted[master_id]
                if signal.expires_at > self.tables.now()
            ]
        )

    async def sessions(self, account_ids: Sequence[str], broker: str) -> dict[str, OpenedSession]:
        """Find the newest session of each connected account; trouble means fewer."""
        accounts = self.tables.accounts
        try:
            return await self.line.ask(
                lambda: {
                    account_id: _opened(accounts[account_id][0])
                    for account_id in account_ids
                    if accounts[account_id][0].session_state is SessionState.CONNECTED
                }
            )
        except ConnectionError:
            return {}


@dataclass(frozen=True, slots=True)
class LeasesInMemory:
    """The promises of leases.py: one owner at a time, a new epoch for each."""

    tables: Tables
    line: DatabaseLine
    owner: str
    lease_s: float

    async def acquire(self, shards: Sequence[int]) -> dict[int, int]:
        def statement() -> dict[int, int]:
            taken = {}
            for shard in shards:
                lease = self.tables.leases.get(shard)
                if lease is None:
                    lease = Lease(owner=self.owner, until=self._until())
                    self.tables.leases[shard] = lease
                elif lease.until < self.tables.now() or lease.owner == self.owner:
                    lease.owner, lease.until = self.owner, self._until()
                    lease.epoch += 1
                else:
                    continue
                taken[shard] = lease.epoch
            return taken

        return await self.line.ask(statement)

    async def renew(self, epochs: dict[int, int]) -> set[int]:
        def statement() -> set[int]:
            kept = {shard for shard, epoch in held.items() if self._holds(shard, epoch)}
            for shard in kept:
                self.tables.leases[shard].until = self._until()
            return kept

        held = dict(epochs)
        return await self.line.ask(statement)

    async def release(self, epochs: dict[int, int]) -> None:
        def statement() -> None:
            for shard, epoch in held.items():
                lease = self.tables.leases[shard]
                if lease.owner == self.owner and lease.epoch == epoch:
                    lease.until = self.tables.now()

        held = dict(epochs)
        await self.line.ask(statement)

    def _holds(self, shard: int, epoch: int) -> bool:
        lease = self.tables.leases[shard]
        return (
            lease.owner == self.owner and lease.epoch == epoch and lease.until > self.tables.now()
        )

    def _until(self) -> datetime:
        return self.tables.now() + timedelta(seconds=self.lease_s)


def _opened(account: Account) -> OpenedSession:
    return OpenedSession(
        account_id=account.account_id,
        broker=BROKER,
        client_id=account.broker_client_id,
        environment=account.environment,
        expires_at=account.session_expires_at,
        egress=None,
        version=account.version,
        secrets={"version": str(account.version)},
    )
