"""The ledger as the flow sees it: plan, claim, record, sweep, each one short transaction.

What a broker said is written in batches, soon after the first word but not amid a fan-out. A batch
that Postgres refuses for the moment is kept and tried again: nothing that was said is lost while
we live, and what dies with us is read again from the broker's book.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime

import asyncpg
import structlog

from libs.contracts.codec import Undecodable
from libs.runtime.crashpoints import Crashpoint, crashpoint
from libs.runtime.outbox import OutboxMessage, enqueue
from libs.runtime.postgres import UNREACHABLE
from libs.trading.reasons import HoldReason, SkipReason
from libs.trading.signals import Signal
from services.executor.births import Births, Born, Ready
from services.executor.breaches import Breaches
from services.executor.claiming import CLAIM_ENTRIES, CLAIM_EXITS, Claims
from services.executor.dead_letters import DeadLetters
from services.executor.planning import PlanningPage
from services.executor.recording import POISON, Moved, Recorder
from services.executor.rows import Claim, Due, Holding, PlannedOrder, Word
from services.executor.rush import Rush
from services.executor.statements import HISTORY_OF_MOVED
from services.executor.sweeping import Sweeper

log = structlog.get_logger()

BATCH_S = 0.02
WORDS_MAX = 20_000

_FINISH_COMMAND = """
UPDATE executor.commands SET state = $3, message = $4, changed_at = clock_timestamp(),
    due_at = clock_timestamp() + make_interval(secs => $5)
WHERE order_id = $1 AND n = $2 AND state = 'SENDING'
"""
_TAKE_TERMS = f"""
WITH moved AS (
    UPDATE executor.orders SET order_type = $2, quantity = $3, limit_price = $4,
        trigger_price = $5, version = version + 1, changed_at = clock_timestamp(),
        change_id = pg_current_xact_id()
    WHERE order_id = $1 AND state IN ('ACKED', 'OPEN', 'PARTIAL', 'FILLED', 'CANCELLED')
    RETURNING *
), history AS ({HISTORY_OF_MOVED})
SELECT count(*) FROM moved
"""


@dataclass(slots=True)
class PostgresLedger:
    """`holding` tells the leases of this moment; `notices_of` says whom a transition concerns."""

    pool: asyncpg.Pool
    broker: str
    new: Births
    claims: Claims
    recorder: Recorder
    sweeper: Sweeper
    breaches: Breaches
    holding: Callable[[], Holding]
    notices_of: Callable[[Sequence[Moved]], Sequence[OutboxMessage]]
    rush: Rush = field(default_factory=Rush)
    on_change: list[Callable[[], None]] = field(default_factory=list)
    _words: list[Word] = field(default_factory=list)
    _spoken: asyncio.Event = field(default_factory=asyncio.Event)
    _writing: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def births(
        self,
        signal: Signal,
        orders: Sequence[PlannedOrder],
        shards: Sequence[int],
        ready: Ready,
    ) -> AsyncIterator[Born]:
        """Write new orders in chunks, each durable when it is yielded; note the signal last."""
        self.rush.chunk()
        async for born in self.new.in_chunks(self.pool, signal, orders, shards, ready):
            self.rush.chunk()
            self._changed()
            yield born

    @asynccontextmanager
    async def page(self, signal: Signal, ready: Ready) -> AsyncIterator[PlanningPage]:
        """Open the one transaction of a signal that changes or closes what is there."""
        async with self.pool.acquire() as connection, connection.transaction():
            yield PlanningPage(connection, self.new, signal, ready)
            crashpoint(Crashpoint.PLANNING)
        self._changed()

    async def bury(self, dead: Sequence[Undecodable]) -> None:
        """Keep records that nobody could read, publish them, and pause whom they concern."""
        if not dead:
            return
        async with self.pool.acquire() as connection, connection.transaction():
            paused = await DeadLetters(connection).bury(dead)
        log.error("records_buried", count=len(dead), masters_paused=paused)
        self._changed()

    async def note_breach(self, account_id: str) -> None:
        """Count durably that a broker refused this account for too many requests."""
        try:
            await self.breaches.count(account_id)
        except (*UNREACHABLE, asyncpg.PostgresError) as error:
            log.warning("breach_not_written", account_id=account_id, error=str(error))

    async def claim(self, due: Sequence[Due]) -> list[Claim]:
        """Claim in one statement what is due. All of `due` are of one kind (`rows.by_kind`)."""
        holding = self.holding()
        if not holding.epochs:
            return []
        if due[0].command:
            claimed = await self.claims.commands(due, holding)
        else:
            statement = CLAIM_EXITS if due[0].leaving.urgent else CLAIM_ENTRIES
            claimed = await self.claims.orders(statement, due, holding)
        self._changed()
        return claimed

    async def skip_stopped(self, due: Sequence[Due]) -> None:
        """Skip those that were not claimed and never may go."""
        await self.claims.skip_stopped([item for item in due if not item.command])
        self._changed()

    async def skip(
        self, due: Sequence[Due], reason: SkipReason, figures: Mapping[str, str]
    ) -> None:
        """Skip orders that will never go; a change of an order at its broker waits and expires."""
        await self.claims.skip([item for item in due if not item.command], reason, figures)
        self._changed()

    async def drop_commands(self, due: Sequence[Due], message: str) -> None:
        """Give up changes of orders at their broker that nobody asked the broker for yet."""
        await self.claims.drop_commands(due, message)

    async def hold(self, due: Sequence[tuple[Due, datetime]], reason: HoldReason) -> None:
        """Hold orders; a change of an order at its broker is simply swept up again."""
        await self.claims.hold([(i, until) for i, until in due if not i.command], reason)
        self._changed()

    def record_soon(self, word: Word) -> None:
        """Keep a word for the next batch, written within `BATCH_S`."""
        self._words.append(word)
        self._spoken.set()

    async def record(self, words: Sequence[Word]) -> list[Moved]:
        """Fold words now; return when they are durable."""
        async with self.pool.acquire() as connection, connection.transaction():
            moved = await self.recorder.record(connection, words)
            await enqueue(connection, "executor", self.notices_of(moved))
        if moved:
            self._changed()
        return moved

    async def write_batches(self) -> None:
        """Write kept words for ever."""
        while True:
            await self._spoken.wait()
            await asyncio.sleep(BATCH_S)
            # What dies with us in between is read from the broker's book.
            await self.rush.over()
            await self.flush()

    async def flush(self) -> None:
        """Write what is kept, and wait for what is being written: a cancelled batch is lost."""
        async with self._writing:
            self._spoken.clear()
            words, self._words = self._words, []
            if words:
                await self._write(words)

    async def _write(self, words: Sequence[Word]) -> None:
        """Write a batch, or keep it while Postgres is away.

        A word that no row can hold is dropped alone: its order is looked up at the broker.
        """
        try:
            await self.record(words)
        except POISON:
            if len(words) == 1:
                log.exception("word_unwritable", order_id=words[0].order_id)
                return
            for word in words:
                await self._write([word])
        except (*UNREACHABLE, asyncpg.PostgresError) as error:
            log.warning("outcomes_wait", words=len(words), error=str(error))
            self._words = [*words, *self._words][-WORDS_MAX:]
            await asyncio.sleep(0.5)
            self._spoken.set()

    async def finish_command(
        self, claim: Claim, state: str, message: str, *, again_in_s: float = 0
    ) -> None:
        """Close a MODIFY or CANCEL, or make it due again; an accepted MODIFY changes the terms."""
        async with self.pool.acquire() as connection, connection.transaction():
            await connection.execute(
                _FINISH_COMMAND, claim.order_id, claim.command, state, message, again_in_s
            )
            if state == "DONE" and claim.kind == "MODIFY":
                terms = claim.intent.terms
                await connection.execute(
                    _TAKE_TERMS,
                    claim.order_id,
                    terms.order_type,
                    terms.quantity,
                    terms.limit_price,
                    terms.trigger_price,
                )
        self._changed()

    async def sweep(self) -> list[Due]:
        """Close what ran out of time and list what is due on the owned shards."""
        shards = list(self.holding().epochs)
        if not shards:
            return []
        async with self.pool.acquire() as connection, connection.transaction():
            changed = await self.sweeper.close_overdue(connection, shards)
            due = await self.sweeper.due(connection, shards)
        if changed:
            self._changed()
        return due

    def _changed(self) -> None:
        for tell in self.on_change:
            tell()
