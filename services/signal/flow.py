"""From a master's wish to a signal on the bus, from a follower's to a follow with exact borders."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, AbstractContextManager, asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

import structlog
from structlog.contextvars import bind_contextvars
from uuid_utils import uuid7

from libs.contracts.rules_json import check_sizing
from libs.runtime.crashpoints import Crashpoint, crashpoint
from libs.runtime.outbox import Fresh, OutboxMessage
from libs.trading.accounts import Account
from libs.trading.follows import Follow, Sizing
from libs.trading.limits import NO_LIMITS, Limits
from libs.trading.signals import Signal, SignalAction
from services.signal import refusals
from services.signal.following import begun, changed, check_account, ended
from services.signal.metrics import ACCEPTED
from services.signal.proposal import Proposal, check, check_mode, check_parent, signal_of
from services.signal.records import (
    Standing,
    StoredFollow,
    Strategy,
    follow_message,
    signal_message,
)
from services.signal.replay import SignalRequest, repeated

log = structlog.get_logger()

Queue = Callable[[Sequence[Fresh]], None]


class Counter(Protocol):
    """One master's line of signals, locked: nobody else counts or draws borders meanwhile."""

    last_seq: int
    at: datetime

    async def write_signal(
        self, signal: Signal, *, idempotency_key: str, request_hash: bytes, message: OutboxMessage
    ) -> list[Fresh]: ...

    async def running_follow_id(self, strategy_id: str, account_id: str) -> str | None: ...

    async def follow(self, follow_id: str) -> StoredFollow: ...

    async def write_new_follow(
        self, follow: Follow, message: OutboxMessage
    ) -> tuple[StoredFollow, list[Fresh]]: ...

    async def write_follow(
        self, follow: Follow, message: OutboxMessage
    ) -> tuple[StoredFollow, list[Fresh]]: ...


class Ledger(Protocol):
    """What must be known before the lock is taken, and the lock itself."""

    async def standing(
        self,
        master_id: str,
        *,
        strategy_id: str,
        idempotency_key: str,
        parent_signal_id: str | None,
    ) -> Standing: ...

    def locked(self, master_id: str) -> AbstractAsyncContextManager[Counter | None]: ...

    async def strategy(self, strategy_id: str) -> Strategy | None: ...

    async def account_of(self, user_id: str, account_id: str) -> Account | None: ...

    async def follow_of(self, user_id: str, follow_id: str) -> StoredFollow | None: ...


class Backlog(Protocol):
    def refuses(self, action: SignalAction) -> bool: ...

    def grew(self, rows: int) -> None: ...


class Publication(Protocol):
    def line(self, key: str) -> AbstractContextManager[Queue]:
        """Queue rows under the lock; they leave when the context is left, after the commit."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class SignalFlow:
    ledger: Ledger
    backlog: Backlog
    publication: Publication
    partitions: int

    async def accept(self, request: SignalRequest) -> Signal:
        """Make a proposal durable, then start its way to every shard. Repeating changes nothing."""
        check(request.proposal)
        standing = await self._standing(request)
        if standing.earlier:
            return repeated(standing.earlier, request)
        self._admit(request.proposal, standing)
        written = await self._write(request, standing)
        if written is None:
            # The same request came twice at once, and the other one was first.
            return repeated((await self._standing(request)).earlier, request)
        signal, fresh = written
        self.backlog.grew(len(fresh))
        _note(signal)
        return signal

    async def reverse(self, leave: SignalRequest, entry: SignalRequest) -> tuple[Signal, Signal]:
        """Close what a strategy holds, then open the other side.

        Neither is accepted where the other would be refused. Repeating changes nothing, and
        completes what broke off between the two.
        """
        for request in (leave, entry):
            check(request.proposal)
            standing = await self._standing(request)
            if not standing.earlier:
                self._admit(request.proposal, standing)
        return await self.accept(leave), await self.accept(entry)

    async def follow(
        self,
        user_id: str,
        *,
        strategy_id: str,
        account_id: str,
        sizing: Sizing,
        limits: Limits = NO_LIMITS,
    ) -> StoredFollow:
        """Begin a follow: it covers what the master emits after this moment."""
        check_sizing(sizing)
        strategy = await self.ledger.strategy(strategy_id)
        if strategy is None:
            raise refusals.strategy_unknown()
        if strategy.master_id == user_id:
            raise refusals.own_strategy()
        account = check_account(await self.ledger.account_of(user_id, account_id))
        async with self._locked(strategy.master_id) as (counter, queue):
            if counter is None:
                raise refusals.strategy_unknown()
            running = await counter.running_follow_id(strategy_id, account_id)
            if running:
                raise refusals.already_following(running)
            follow = begun(
                str(uuid7()),
                user_id,
                strategy=strategy,
                account=account,
                sizing=sizing,
                limits=limits,
                last_seq=counter.last_seq,
            )
            stored, fresh = await counter.write_new_follow(
                follow, follow_message(follow, self.partitions)
            )
            queue(fresh)
        self.backlog.grew(len(fresh))
        log.info("follow_begun", follow_id=follow.follow_id, from_seq=follow.from_seq)
        return stored

    async def change_follow(
        self,
        user_id: str,
        follow_id: str,
        *,
        sizing: Sizing | None,
        paused: bool | None,
        limits: Limits | None = None,
    ) -> StoredFollow:
        """Take on new rules at once; nothing happens when they are the present ones."""
        if sizing:
            check_sizing(sizing)
        return await self._change(
            user_id,
            follow_id,
            lambda follow, _: changed(follow, sizing=sizing, limits=limits, paused=paused),
        )

    async def end_follow(self, user_id: str, follow_id: str) -> StoredFollow:
        """End a follow after the master's last signal. Ending twice is the same as once."""
        return await self._change(user_id, follow_id, ended)

    async def _change(
        self, user_id: str, follow_id: str, change: Callable[[Follow, int], Follow]
    ) -> StoredFollow:
        own = await self.ledger.follow_of(user_id, follow_id)
        if own is None:
            raise refusals.follow_unknown()
        async with self._locked(own.follow.master_id) as (counter, queue):
            if counter is None:
                raise refusals.follow_unknown()
            # Read again: only what is seen under the lock may be built upon.
            stored = await counter.follow(follow_id)
            follow = change(stored.follow, counter.last_seq)
            if follow == stored.follow:
                return stored
            stored, fresh = await counter.write_follow(
                follow, follow_message(follow, self.partitions)
            )
            queue(fresh)
        self.backlog.grew(len(fresh))
        log.info(
            "follow_changed",
            follow_id=follow_id,
            version=follow.version,
            paused=follow.paused,
            until_seq=follow.until_seq,
        )
        return stored

    async def _standing(self, request: SignalRequest) -> Standing:
        return await self.ledger.standing(
            request.master_id,
            strategy_id=request.proposal.strategy_id,
            idempotency_key=request.idempotency_key,
            parent_signal_id=request.proposal.parent_signal_id,
        )

    def _admit(self, proposal: Proposal, standing: Standing) -> None:
        if not standing.owns_strategy:
            raise refusals.strategy_not_yours()
        check_parent(proposal, standing.parent)
        check_mode(proposal, standing.copy_mode)
        if self.backlog.refuses(proposal.action):
            raise refusals.backlog_full(proposal.action)

    async def _write(
        self, request: SignalRequest, standing: Standing
    ) -> tuple[Signal, list[Fresh]] | None:
        """Count, stamp and keep the signal; None when its key was used in the meantime."""
        async with self._locked(request.master_id) as (counter, queue):
            if counter is None:
                raise refusals.strategy_not_yours()
            signal = signal_of(
                request.proposal,
                signal_id=str(uuid7()),
                master_id=request.master_id,
                seq=counter.last_seq + 1,
                accepted_at=counter.at,
                parent=standing.parent,
                master_equity=standing.equity,
            )
            fresh = await counter.write_signal(
                signal,
                idempotency_key=request.idempotency_key,
                request_hash=request.request_hash,
                message=signal_message(signal, self.partitions),
            )
            queue(fresh)
            crashpoint(Crashpoint.BEFORE_SIGNAL_COMMIT)
        crashpoint(Crashpoint.AFTER_SIGNAL_COMMIT)
        return (signal, fresh) if fresh else None

    @asynccontextmanager
    async def _locked(self, master_id: str) -> AsyncIterator[tuple[Counter | None, Queue]]:
        """Lock a master's line; what is queued under the lock leaves when it is committed."""
        with self.publication.line(master_id) as queue:
            async with self.ledger.locked(master_id) as counter:
                yield counter, queue


def _note(signal: Signal) -> None:
    bind_contextvars(signal_id=signal.signal_id)
    ACCEPTED.labels(signal.action.value).inc()
    log.info(
        "signal_accepted",
        master_id=signal.master_id,
        strategy_id=signal.strategy_id,
        seq=signal.seq,
        action=signal.action.value,
        instrument=signal.instrument,
    )
