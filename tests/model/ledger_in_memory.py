"""One replica's ledger: the flow's `Ledger`, at the end of a line that can break.

What a replica does not hear back in time it must not send: `not_after` counts from before the
statement left. What it keeps for the next batch dies with it.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime

from libs.contracts.codec import Undecodable
from libs.trading.reasons import HoldReason, SkipReason
from libs.trading.signals import Signal
from libs.trading.states import OrderState
from services.executor.births import Born, Ready
from services.executor.recording import Moved
from services.executor.rows import WRITE_WITHIN_S, Claim, Due, Holding, PlannedOrder, Word
from services.executor.shards import TROUBLE
from tests.model.breaches_in_memory import BreachesInMemory
from tests.model.database_line import DatabaseLine
from tests.model.page_in_memory import PageInMemory
from tests.model.statements import StatementsInMemory

BATCH_S = 0.02


@dataclass(slots=True, kw_only=True)
class LedgerInMemory:
    statements: StatementsInMemory
    line: DatabaseLine
    breaches: BreachesInMemory
    holding: Callable[[], Holding]
    _words: list[Word] = field(default_factory=list)
    _spoken: asyncio.Event = field(default_factory=asyncio.Event)

    async def births(
        self, signal: Signal, orders: Sequence[PlannedOrder], shards: Sequence[int], ready: Ready
    ) -> AsyncIterator[Born]:
        size = self.statements.timings.planning_chunk
        chunks = [orders[at : at + size] for at in range(0, len(orders), size)] or [[]]
        for number, chunk in enumerate(chunks, start=1):
            noted = shards if number == len(chunks) else []
            yield await self._write(signal, chunk, noted, ready)

    async def _write(
        self, signal: Signal, orders: Sequence[PlannedOrder], shards: Sequence[int], ready: Ready
    ) -> Born:
        holding, not_after = self.holding(), self._not_after()
        may_leave = [order.shape.state is OrderState.PLANNED and ready(order) for order in orders]
        return await self.line.ask(
            lambda: self.statements.insert(signal, orders, may_leave, shards, holding, not_after)
        )

    @asynccontextmanager
    async def page(self, signal: Signal, ready: Ready) -> AsyncIterator[PageInMemory]:
        """Open the one transaction of a signal; all of it happens at one instant."""
        not_after = self._not_after()
        await self.line.ask(lambda: None)
        page = PageInMemory(self.statements, self.holding(), signal, ready, not_after)
        yield page
        await self.line.ask(lambda: None)

    async def bury(self, dead: Sequence[Undecodable]) -> None:
        if dead:
            self.statements.tables.buried += len(dead)

    async def claim(self, due: Sequence[Due]) -> list[Claim]:
        holding, not_after = self.holding(), self._not_after()
        if not holding.epochs:
            return []
        if due[0].command:
            return await self.line.ask(
                lambda: self.statements.claim_commands(due, holding, not_after)
            )
        return await self.line.ask(lambda: self.statements.claim_orders(due, holding, not_after))

    async def skip_stopped(self, due: Sequence[Due]) -> None:
        await self.line.ask(lambda: self.statements.skip_stopped(_orders(due)))

    async def hold(self, due: Sequence[tuple[Due, datetime]], reason: HoldReason) -> None:
        orders = [(item, until) for item, until in due if not item.command]
        await self.line.ask(lambda: self.statements.hold(orders, reason))

    async def skip(
        self, due: Sequence[Due], reason: SkipReason, figures: Mapping[str, str]
    ) -> None:
        await self.line.ask(lambda: self.statements.skip(_orders(due), reason))

    async def drop_commands(self, due: Sequence[Due], message: str) -> None:
        await self.line.ask(lambda: self.statements.drop_commands(due))

    async def note_breach(self, account_id: str) -> None:
        with suppress(ConnectionError):
            await self.breaches.count(account_id)

    def record_soon(self, word: Word) -> None:
        self._words.append(word)
        self._spoken.set()

    async def record(self, words: Sequence[Word]) -> list[Moved]:
        return await self.line.ask(lambda: self.statements.fold(words))

    async def write_batches(self) -> None:
        while True:
            await self._spoken.wait()
            await asyncio.sleep(BATCH_S)
            self._spoken.clear()
            words, self._words = self._words, []
            try:
                await self.record(words)
            except TROUBLE:
                self._words = [*words, *self._words]
                await asyncio.sleep(0.5)
                self._spoken.set()

    async def finish_command(
        self, claim: Claim, state: str, message: str, *, again_in_s: float = 0
    ) -> None:
        await self.line.ask(lambda: self.statements.finish_command(claim, state, again_in_s))

    async def sweep(self) -> list[Due]:
        shards = set(self.holding().epochs)
        return await self.line.ask(lambda: self.statements.sweep(shards)) if shards else []

    def _not_after(self) -> float:
        return self.line.process.time() + WRITE_WITHIN_S


def _orders(due: Sequence[Due]) -> list[Due]:
    return [item for item in due if not item.command]
