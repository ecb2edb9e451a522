"""Finds out what became of orders we know nothing about, by reading their account's book."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from libs.brokers.errors import BrokerError, SessionExpired
from libs.brokers.protocol import OrderGateway
from libs.trading.accounts import Environment
from libs.trading.orders import OrderReport
from services.executor.evidence import Doubt, Verdict, after_look, after_unreadable
from services.executor.lanes import Lanes
from services.executor.rows import Change, Word
from services.executor.sessions import Sessions


class Doubts(Protocol):
    """The orders in UNKNOWN; each method is one short transaction."""

    async def due(self) -> list[tuple[Doubt, datetime]]: ...

    async def decide(self, doubt: Doubt, change: Change) -> None: ...

    async def note_looks(self, looks: Sequence[tuple[Doubt, bool, float]]) -> None: ...


class Gateways(Protocol):
    """The broker's order door of each environment."""

    def of(self, environment: Environment) -> OrderGateway: ...


@dataclass(frozen=True, slots=True)
class Settling:
    doubts: Doubts
    record_soon: Callable[[Word], None]
    lanes: Lanes
    sessions: Sessions
    gateways: Gateways
    evidence_window_s: float
    # Accounts whose book is being read now: a slow read is not started a second time.
    looking: set[str] = field(default_factory=set)

    async def settle(self) -> None:
        """Ask the brokers what became of orders we know nothing about."""
        by_account: defaultdict[str, list[tuple[Doubt, datetime]]] = defaultdict(list)
        for doubt, now in await self.doubts.due():
            by_account[doubt.account_id].append((doubt, now))
        for account_id, doubts in by_account.items():
            if account_id not in self.looking:
                self.looking.add(account_id)
                self.lanes.start(self._look(account_id, doubts))

    async def _look(self, account_id: str, doubts: Sequence[tuple[Doubt, datetime]]) -> None:
        try:
            await self._read_book_for(account_id, doubts)
        finally:
            self.looking.discard(account_id)

    async def _read_book_for(
        self, account_id: str, doubts: Sequence[tuple[Doubt, datetime]]
    ) -> None:
        """Read one account's book once for all its doubtful orders."""
        session = self.sessions.get(account_id)
        if session is None:
            self.sessions.want([account_id])
            await self._judge(doubts, None, "there is no session to read the order book with")
            return
        try:
            book = await self.gateways.of(session.environment).order_book(session)
        except SessionExpired as error:
            self.sessions.refuse(account_id)
            await self._judge(doubts, None, str(error))
        except BrokerError as error:
            await self._judge(doubts, None, str(error))
        else:
            await self._judge(doubts, book, "")

    async def _judge(
        self,
        doubts: Sequence[tuple[Doubt, datetime]],
        book: Sequence[OrderReport] | None,
        message: str,
    ) -> None:
        again: list[tuple[Doubt, bool, float]] = []
        for doubt, now in doubts:
            verdict = self._verdict(doubt, now, book, message)
            if verdict.word is not None:
                self.record_soon(verdict.word)
            if verdict.change is not None:
                await self.doubts.decide(doubt, verdict.change)
            else:
                # Absent is not "never placed": order books lag, so the ledger keeps looking.
                again.append((doubt, verdict.looked, verdict.due_in_s))
        await self.doubts.note_looks(again)

    def _verdict(
        self,
        doubt: Doubt,
        now: datetime,
        book: Sequence[OrderReport] | None,
        message: str,
    ) -> Verdict:
        window_s = self.evidence_window_s
        if book is None:
            return after_unreadable(doubt, now=now, window_s=window_s, message=message)
        return after_look(doubt, book, now=now, window_s=window_s)
