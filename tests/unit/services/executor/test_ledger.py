"""What was heard of a broker is not lost because a process stops politely."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, cast

from libs.trading.events import UpdateSource
from services.executor.ledger import PostgresLedger
from services.executor.recording import Moved
from services.executor.rows import Word

if TYPE_CHECKING:
    import asyncpg

    from services.executor.recording import Recorder

WORD = Word(
    account_id="account",
    source=UpdateSource.REPLY,
    received_at=datetime(2026, 11, 20, 5, 0, tzinfo=UTC),
    order_id="order",
    problem="NOT_SENT",
)


class SlowRecorder:
    """Writes when it is told to."""

    def __init__(self) -> None:
        self.written: list[Word] = []
        self.begun = asyncio.Event()
        self.go_on = asyncio.Event()

    async def record(self, connection: object, words: Sequence[Word]) -> list[Moved]:
        self.begun.set()
        await self.go_on.wait()
        self.written += words
        return []


class NoDatabase:
    @asynccontextmanager
    async def acquire(self) -> AsyncIterator["NoDatabase"]:
        yield self

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[None]:
        yield

    async def executemany(self, *_: object) -> None: ...


async def test_a_flush_waits_for_the_batch_that_is_being_written() -> None:
    recorder = SlowRecorder()
    unused = cast("Any", None)
    ledger = PostgresLedger(
        pool=cast("asyncpg.Pool", NoDatabase()),
        broker="broker",
        new=unused,
        claims=unused,
        recorder=cast("Recorder", recorder),
        sweeper=unused,
        breaches=unused,
        holding=unused,
        notices_of=lambda _: [],
    )
    writing = asyncio.create_task(ledger.write_batches())
    ledger.record_soon(WORD)
    await recorder.begun.wait()

    draining = asyncio.create_task(ledger.flush())
    await asyncio.sleep(0)
    is_over = draining.done()
    recorder.go_on.set()
    await draining
    # Stopping cancels what runs beside the routes.
    writing.cancel()

    assert not is_over
    assert recorder.written == [WORD]
