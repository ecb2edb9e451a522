"""From what a broker says about a master's own orders to signals of their strategy."""

import asyncio
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

import asyncpg
import structlog

from libs.brokers.registry import manifest
from libs.contracts import codec
from libs.contracts.codec import Undecodable
from libs.runtime.postgres import UNREACHABLE
from libs.runtime.problems import Problem
from libs.trading.events import BrokerUpdate
from libs.trading.signals import CopyMode, Signal
from libs.trading.tags import is_ours
from services.signal.capture_decision import (
    Capture,
    CapturedOrder,
    Held,
    Step,
    first_step,
    next_step,
)
from services.signal.capture_fills import as_it_was_taken, fill_step
from services.signal.proposal import Proposal
from services.signal.replay import SignalRequest

log = structlog.get_logger()

_TRY_AGAIN = 503
RECORDS_MAX = 500
# A fan-out brings thousands of followers' updates: taken in few batches they cost others little.
_GATHER_S = 0.02
_GATHER_IDLE_S = 0.5
_BACKOFF_FIRST_S = 0.2
_BACKOFF_MAX_S = 5.0


class Book(Protocol):
    async def captures_on(self) -> Mapping[str, Capture]:
        """List what is captured now, by account."""
        ...

    async def order(self, capture: Capture, broker_order_id: str) -> CapturedOrder | None:
        """Find an order that this strategy captured."""
        ...

    async def held(self, capture: Capture, instrument: str, product: str) -> Held: ...

    async def keep(self, capture: Capture, order: CapturedOrder) -> None:
        """Write an order down, and what it filled since into the account's position."""
        ...


class Signals(Protocol):
    async def accept(self, request: SignalRequest) -> Signal: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class CaptureFlow:
    """`tag_key` tells our own orders: a master who also follows must never echo."""

    book: Book
    signals: Signals
    tag_key: bytes = field(repr=False)

    async def take(self, capture: Capture, update: BrokerUpdate) -> None:
        """Act on a word about an order of a captured account. Repeating changes nothing."""
        if not self._is_foreign(capture, update):
            return
        while (step := await self._step(capture, update)) is not None:
            await self._carry_out(capture, step)
            if capture.copy_mode is CopyMode.ORDERS or step.proposal is None:
                return

    def _is_foreign(self, capture: Capture, update: BrokerUpdate) -> bool:
        if is_ours(self.tag_key, update.report.client_order_id):
            return False
        # Without tags in the book, a copy cannot be told from what the owner did himself.
        return manifest(capture.broker).tags_echoed or not capture.follows_too

    async def _step(self, capture: Capture, update: BrokerUpdate) -> Step | None:
        report = update.report
        known = await self.book.order(capture, report.broker_order_id)
        if known is not None and capture.copy_mode is CopyMode.ORDERS:
            return next_step(capture, known, update)
        held = Held()
        if report.instrument and report.product:
            held = await self.book.held(capture, report.instrument, report.product)
        if capture.copy_mode is CopyMode.FILLS:
            return fill_step(capture, known, held, update)
        return first_step(capture, held, update)

    async def _carry_out(self, capture: Capture, step: Step) -> None:
        order = step.order
        if step.leaves is not None:
            order = await self._emitted(capture, order, step.leaves, f"{step.name} exit")
            order = replace(order, action=step.order.action, signal_id=None)
        if step.proposal is not None and (step.leaves is None or not order.problem):
            order = await self._emitted(capture, order, step.proposal, step.name)
        await self.book.keep(capture, order)

    async def _emitted(
        self, capture: Capture, order: CapturedOrder, proposal: Proposal, name: str
    ) -> CapturedOrder:
        """Make it a signal first and note it then: after a crash the same name is the same one."""
        try:
            signal = await self.signals.accept(_request(capture, order, proposal, name))
        except Problem as problem:
            if problem.status == _TRY_AGAIN:
                raise
            log.warning(
                "order_not_captured", strategy_id=capture.strategy_id, problem=problem.message
            )
            action = order.action if order.signal_id else None
            return replace(order, action=action, problem=problem.message)
        log.info(
            "order_captured",
            signal_id=signal.signal_id,
            strategy_id=capture.strategy_id,
            action=signal.action.value,
        )
        if capture.copy_mode is CopyMode.FILLS:
            order = as_it_was_taken(order, proposal, signal)
        return order if order.signal_id else replace(order, signal_id=signal.signal_id)


class RawRecord(Protocol):
    """What a Kafka consumer hands over. The key of an update is its account."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...]


@dataclass(slots=True)
class CaptureReader:
    """Takes batches, and waits out a ledger or an outbox that takes nothing just now."""

    flow: CaptureFlow
    _anything: bool = False
    _closing: asyncio.Event = field(default_factory=asyncio.Event)

    def close(self) -> None:
        """Wait for nothing any more; what is not durable is read again by the next process."""
        self._closing.set()

    async def take(self, records: Sequence[RawRecord]) -> bool:
        """Return whether the batch is dealt with; False only when closed before."""
        failures = 0
        while not self._closing.is_set():
            try:
                await self._deal_with(records)
            except (Problem, asyncpg.PostgresError, *UNREACHABLE) as error:
                failures += 1
                log.warning("capture_waits", failures=failures, error=str(error))
                await self._pause(min(_BACKOFF_FIRST_S * 2 ** min(failures, 10), _BACKOFF_MAX_S))
            else:
                return True
        return False

    async def rest(self, records: int) -> None:
        """Let some gather, longer while nobody captures; not at all while behind."""
        if records < RECORDS_MAX:
            await self._pause(_GATHER_S if self._anything else _GATHER_IDLE_S)

    async def _deal_with(self, records: Sequence[RawRecord]) -> None:
        captures = await self.flow.book.captures_on()
        self._anything = bool(captures)
        for record in records:
            # Nearly all updates are of followers: they are not even decoded.
            capture = captures.get((record.key or b"").decode("ascii", "replace"))
            if capture is None:
                continue
            read = codec.decode_record(record)
            # What cannot be read the executors bury, which read the same topic.
            if isinstance(read, Undecodable) or not isinstance(read.event, BrokerUpdate):
                continue
            try:
                await self.flow.take(capture, read.event)
            except asyncpg.DataError:
                # It would fail for ever, and everybody's orders behind it would wait.
                log.exception("captured_order_not_storable", account_id=capture.account_id)

    async def _pause(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._closing.wait()
        except TimeoutError:
            return


def _request(
    capture: Capture, order: CapturedOrder, proposal: Proposal, name: str
) -> SignalRequest:
    """Name it after the order alone: a repetition may find the order further on."""
    digest = hashlib.sha256(
        f"{capture.account_id}:{order.broker_order_id}:{name}".encode()
    ).digest()
    return SignalRequest(
        master_id=capture.master_id,
        proposal=proposal,
        idempotency_key=f"capture:{digest.hex()}",
        request_hash=digest,
    )
