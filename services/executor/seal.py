"""Closes a trading day: ledger against order book, trades and positions of every account.

A shard is sealed once nothing of it is open or in doubt. What does not agree goes to a person; the
seal keeps the figures and the head of the history chain.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from functools import partial

import asyncpg
import structlog

from libs.trading.calendar import instant_in_india, trading_day
from libs.trading.orders import OrderReport, Trade
from libs.trading.reasons import AttentionReason
from libs.trading.states import AT_BROKER, WORKING, OrderState
from services.executor.alarms import AlarmName, Alarms
from services.executor.day_rows import DayOrder, DayRows
from services.executor.drift import DriftWatch
from services.executor.history_chain import HistoryChain
from services.executor.reads import AccountReads, Errands, Unreadable
from services.executor.rows import Change, Holding
from services.executor.settling_rows import DoubtRows
from services.executor.shards import TROUBLE
from services.executor.statements import shard_lease_held
from services.executor.syncing import Syncing

log = structlog.get_logger()

_SEALED = "SELECT shard FROM executor.day_seals WHERE broker = $1 AND day = $2"
_SEAL = f"""
WITH sealed AS (
    INSERT INTO executor.day_seals (broker, shard, day, link_n, link_hash, figures)
    SELECT $1, $2, $3, $4, $5, $6
    WHERE {shard_lease_held("$7", "$8")}
    ON CONFLICT DO NOTHING RETURNING shard
), ended AS (
    UPDATE executor.watched_orders w SET ended_at = clock_timestamp() FROM sealed
    WHERE w.broker = $1 AND w.shard = sealed.shard AND w.ended_at IS NULL
)
SELECT shard FROM sealed
"""
_PENDING = frozenset({OrderState.SENDING, OrderState.UNKNOWN})


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """An order that does not agree with its broker."""

    order: DayOrder
    reason: AttentionReason
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What the broker shows of one account; `trades` None when the day's trade book is gone."""

    book: Sequence[OrderReport]
    trades: Sequence[Trade] | None
    drifted: bool


@dataclass(slots=True, kw_only=True)
class Sealing:
    """`seal_at` is a time in India after the last close; `patience_s` how long a shard may wait.

    So long an account may be unreadable, or an order be shown open still.
    """

    pool: asyncpg.Pool
    broker: str
    holding: Callable[[], Holding]
    rows: DayRows
    doubts: DoubtRows
    reads: AccountReads
    syncing: Syncing
    drift: DriftWatch
    chain: HistoryChain
    errands: Errands
    alarms: Alarms
    seal_at: time
    patience_s: float
    # Differences seen once: a second pass must see the same before a person is asked.
    _suspects: dict[int, set[tuple[str, str]]] = field(default_factory=dict)

    async def seal_due(self) -> None:
        """Start sealing every held shard whose day is over and not sealed yet."""
        day = day_to_seal(datetime.now(UTC), self.seal_at)
        shards = set(self.holding().epochs)
        if shards:
            rows = await self.pool.fetch(_SEALED, self.broker, day)
            for shard in shards - {row["shard"] for row in rows}:
                self.errands.start(f"seal:{shard}", partial(self._seal, shard, day))

    async def seal_shard(self, shard: int, day: date) -> bool:
        """Compare one shard's day and seal it; False while something is not settled yet."""
        accounts = {order.account_id for order in await self.rows.of_shard(shard, day)}
        readings = {account_id: await self._read(account_id, day) for account_id in accounts}
        overdue = datetime.now(UTC) > seal_instant(day, self.seal_at) + timedelta(
            seconds=self.patience_s
        )
        orders = await self.rows.of_shard(shard, day)
        found = [
            finding
            for account_id in accounts
            for finding in _findings_of(account_id, orders, readings[account_id])
        ]
        for finding in self._certain(shard, found):
            if overdue or finding.reason is AttentionReason.DAY_DIFFERENCE:
                await self._hand_over(finding)
        unread = [r for r in readings.values() if isinstance(r, Unreadable)]
        pending = any(order.state in _PENDING for order in orders)
        subject = f"shard:{self.broker}:{shard}"
        if found or pending or (unread and not overdue):
            if overdue:
                await self.alarms.open(AlarmName.DAY_NOT_SEALED, subject, day=day.isoformat())
            return False
        figures = {
            "accounts": len(accounts),
            "unread": len(unread),
            "drifted": sum(r.drifted for r in readings.values() if isinstance(r, Reading)),
            "orders": len(orders),
            "attention": sum(order.state is OrderState.NEEDS_ATTENTION for order in orders),
        }
        sealed = await self._write(shard, day, figures)
        await self.alarms.clear(AlarmName.DAY_NOT_SEALED, subject)
        return sealed

    async def _read(self, account_id: str, day: date) -> Reading | Unreadable:
        """Read and take in what one account shows, and compare its positions."""
        book = await self.reads.book(account_id, urgent=True)
        if isinstance(book, Unreadable):
            return book
        await self.syncing.take_in(account_id, book)
        if day != trading_day(datetime.now(UTC)):
            return Reading(book=book, trades=None, drifted=False)
        held = await self.drift.executions.holdings(account_id, urgent=True)
        if isinstance(held, Unreadable):
            return held
        drift = await self.drift.judge(account_id, held)
        await self.drift.tell(account_id, drift)
        return Reading(book=book, trades=held.trades, drifted=bool(drift))

    def _certain(self, shard: int, found: Sequence[Finding]) -> list[Finding]:
        """Keep what the pass before saw too; a fill may lie between two reads."""
        before = self._suspects.get(shard, set())
        suspects = {(f.order.order_id, f.message): f for f in found}
        self._suspects[shard] = set(suspects)
        return [finding for key, finding in suspects.items() if key in before]

    async def _hand_over(self, finding: Finding) -> None:
        await self.doubts.move(
            finding.order.order_id,
            finding.order.version,
            Change(
                state=OrderState.NEEDS_ATTENTION, reason=finding.reason, message=finding.message
            ),
        )

    async def _write(self, shard: int, day: date, figures: dict[str, int]) -> bool:
        await self.chain.extend()
        n, link_hash = await self.chain.head(shard)
        holding = self.holding()
        if shard not in holding.epochs:
            return False
        kept = await self.pool.fetchval(
            _SEAL,
            self.broker,
            shard,
            day,
            n,
            link_hash,
            figures,
            holding.owner,
            holding.epochs[shard],
        )
        if kept is not None:
            log.info("day_sealed", shard=shard, day=day.isoformat(), **figures)
        return kept is not None

    async def _seal(self, shard: int, day: date) -> None:
        try:
            await self.seal_shard(shard, day)
        except TROUBLE as error:
            log.warning("seal_waits", shard=shard, error=str(error))


def _findings_of(
    account_id: str, orders: Iterable[DayOrder], reading: Reading | Unreadable
) -> list[Finding]:
    mine = [order for order in orders if order.account_id == account_id]
    if isinstance(reading, Reading):
        return findings(mine, reading.book, reading.trades)
    return [
        Finding(order=order, reason=AttentionReason.BOOK_UNREADABLE, message=reading.message)
        for order in mine
        if order.state in WORKING
    ]


def findings(
    orders: Iterable[DayOrder], book: Sequence[OrderReport], trades: Sequence[Trade] | None
) -> list[Finding]:
    """Name the orders that are still open, and those whose fills are not in the trade book."""
    shown = {row.broker_order_id: row for row in book}
    found = []
    for order in orders:
        if order.state in WORKING:
            row = shown.get(order.broker_order_id or "")
            there = f"the broker shows it {row.status}" if row else "no book shows it"
            message = f"{order.state} after the day's close; {there}"
            found.append(Finding(order=order, reason=AttentionReason.STILL_OPEN, message=message))
        elif trades is not None and order.state in AT_BROKER:
            executed = sum(trade.quantity for trade in trades if order.has(trade))
            if executed != order.filled_quantity:
                message = f"{order.filled_quantity} filled here, {executed} in the trade book"
                found.append(
                    Finding(order=order, reason=AttentionReason.DAY_DIFFERENCE, message=message)
                )
    return found


def day_to_seal(now: datetime, seal_at: time) -> date:
    """Find the last day whose time to be sealed has come."""
    today = trading_day(now)
    return today if now >= seal_instant(today, seal_at) else today - timedelta(days=1)


def seal_instant(day: date, seal_at: time) -> datetime:
    return instant_in_india(day, seal_at)
