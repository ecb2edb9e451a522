"""Finds out what became of requests without an answer, by reading their account's book."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Protocol

import structlog

from libs.runtime.crashpoints import Crashpoint, crashpoint
from libs.trading.orders import OrderReport
from services.executor.evidence import (
    Book,
    Doubt,
    Executions,
    Verdict,
    after_look,
    after_proof,
    after_unreadable,
)
from services.executor.executions import ExecutionReads
from services.executor.reads import AccountReads, Errands, Unreadable
from services.executor.rows import Change, Word
from services.executor.settling_rows import Look, UnsureChange
from services.executor.shards import TROUBLE
from services.executor.syncing import Syncing

log = structlog.get_logger()

TimedDoubt = tuple[Doubt, datetime]


class Doubts(Protocol):
    """What is in doubt; each method is one short transaction."""

    async def due(self) -> list[TimedDoubt]: ...

    async def unsure_changes(self) -> list[UnsureChange]: ...

    async def decide(self, doubt: Doubt, change: Change) -> None: ...

    async def note_looks(self, looks: Sequence[Look]) -> None: ...

    async def compared(self, change: UnsureChange, report: OrderReport) -> None: ...

    async def compare_later(self, changes: Sequence[UnsureChange]) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Settling:
    doubts: Doubts
    record_soon: Callable[[Word], None]
    reads: AccountReads
    syncing: Syncing
    executions: ExecutionReads
    errands: Errands
    evidence_window_s: float

    async def settle(self) -> None:
        """Ask the brokers what became of requests we know nothing about."""
        by_account: defaultdict[str, list[TimedDoubt]] = defaultdict(list)
        parked: defaultdict[str, list[Doubt]] = defaultdict(list)
        for doubt, now in await self.doubts.due():
            if doubt.parked:
                parked[doubt.account_id].append(doubt)
            else:
                by_account[doubt.account_id].append((doubt, now))
        changes: defaultdict[str, list[UnsureChange]] = defaultdict(list)
        for change in await self.doubts.unsure_changes():
            changes[change.account_id].append(change)
        for account_id in by_account.keys() | changes.keys():
            self.errands.start(
                f"settle:{account_id}",
                partial(
                    self._look,
                    account_id,
                    by_account[account_id],
                    parked[account_id],
                    changes[account_id],
                ),
            )

    async def _look(
        self,
        account_id: str,
        doubts: Sequence[TimedDoubt],
        parked: Sequence[Doubt],
        changes: Sequence[UnsureChange],
    ) -> None:
        """Read one account's book once for all that is in doubt there."""
        try:
            rows = await self.reads.book(account_id, urgent=True)
            if isinstance(rows, Unreadable):
                await self._conclude(doubts, [self._unread(*doubt, rows) for doubt in doubts])
                await self.doubts.compare_later(changes)
                return
            book = await self.syncing.take_in(account_id, rows)
            await self._judge(account_id, doubts, parked, book)
            await self._compare(changes, rows)
        except TROUBLE as error:
            # The rows are still there: the next turn begins anew.
            log.warning("look_waits", account_id=account_id, error=str(error))

    async def _compare(self, changes: Sequence[UnsureChange], rows: Sequence[OrderReport]) -> None:
        by_id = {row.broker_order_id: row for row in rows}
        for change in changes:
            if (row := by_id.get(change.broker_order_id)) is not None:
                await self.doubts.compared(change, row)
        await self.doubts.compare_later([c for c in changes if c.broker_order_id not in by_id])

    async def _judge(
        self,
        account_id: str,
        doubts: Sequence[TimedDoubt],
        parked: Sequence[Doubt],
        book: Book,
    ) -> None:
        verdicts = [
            after_look(
                doubt,
                book,
                now=now,
                window_s=self.evidence_window_s,
                others=[*parked, *(other for other, _ in doubts if other is not doubt)],
            )
            for doubt, now in doubts
        ]
        if any(verdict.prove for verdict in verdicts):
            executed = await self.executions.executions(account_id)
            verdicts = [
                self._proved(*timed, book, executed) if verdict.prove else verdict
                for timed, verdict in zip(doubts, verdicts, strict=True)
            ]
        await self._conclude(doubts, verdicts)

    def _proved(
        self, doubt: Doubt, now: datetime, book: Book, executed: Executions | Unreadable
    ) -> Verdict:
        if isinstance(executed, Unreadable):
            return self._unread(doubt, now, executed)
        return after_proof(doubt, book, executed, now=now, window_s=self.evidence_window_s)

    def _unread(self, doubt: Doubt, now: datetime, why: Unreadable) -> Verdict:
        return after_unreadable(
            doubt,
            now=now,
            window_s=self.evidence_window_s,
            message=why.message,
            session_lost=why.session_lost,
        )

    async def _conclude(self, doubts: Sequence[TimedDoubt], verdicts: Sequence[Verdict]) -> None:
        again: list[Look] = []
        for (doubt, _), verdict in zip(doubts, verdicts, strict=True):
            if verdict.word is not None:
                self.record_soon(verdict.word)
            if verdict.change is not None:
                await self.doubts.decide(doubt, verdict.change)
            else:
                # Absent is not "never placed": order books lag, so the ledger keeps looking.
                again.append(
                    Look(
                        doubt=doubt,
                        looked=verdict.looked,
                        reset=verdict.reset,
                        due_in_s=verdict.due_in_s,
                    )
                )
            # Some are decided, others are not yet.
            crashpoint(Crashpoint.SETTLING)
        await self.doubts.note_looks(again)
