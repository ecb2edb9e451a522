"""Compares what our orders filled, by the ledger, with what the account holds at its broker."""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial

import structlog

from libs.trading.calendar import trading_day
from libs.trading.orders import Trade
from services.executor.alarms import AlarmName, Alarms
from services.executor.day_rows import DayRows
from services.executor.executions import ExecutionReads, Holdings, traded
from services.executor.reads import Errands, Unreadable
from services.executor.rereading import Rereading
from services.executor.rows import Holding
from services.executor.shards import TROUBLE
from services.executor.standings import Standings

log = structlog.get_logger()

# A fill may lie between two reads: a difference counts when it is still there after a book more.
_LOOK_AGAIN_S = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """Net quantity of our orders of today in one instrument: by the ledger, and at the broker."""

    instrument: str
    ledger: int
    broker: int


def differences(
    ledger: Mapping[str, int],
    net: Mapping[str, int],
    carried: Mapping[str, int],
    foreign: Iterable[Trade],
) -> list[Difference]:
    """Take away what was carried in and what the owner traded; the rest must be ours."""
    others = traded(foreign)
    names = ledger.keys() | net.keys() | carried.keys() | others.keys()
    found = [
        Difference(
            instrument=name,
            ledger=ledger.get(name, 0),
            broker=net.get(name, 0) - carried.get(name, 0) - others.get(name, 0),
        )
        for name in sorted(names)
    ]
    return [item for item in found if item.ledger != item.broker]


@dataclass(frozen=True, slots=True, kw_only=True)
class DriftWatch:
    rows: DayRows
    holding: Callable[[], Holding]
    rereading: Rereading
    executions: ExecutionReads
    standings: Standings
    errands: Errands
    alarms: Alarms

    async def watch(self) -> None:
        """Start a comparison of every account in which something of ours was filled today."""
        shards = list(self.holding().epochs)
        if not shards:
            return
        day = trading_day(datetime.now(UTC))
        for account_id in await self.rows.traded(shards, day):
            self.errands.start(f"drift:{account_id}", partial(self._compare, account_id))

    async def compare(self, account_id: str) -> list[Difference] | Unreadable:
        """Compare once; open or clear the account's alarm by what a second look still shows."""
        found = await self.look(account_id)
        if isinstance(found, list) and found:
            await asyncio.sleep(_LOOK_AGAIN_S)
            await self.rereading.read_book(account_id)
            found = await self.look(account_id)
        if not isinstance(found, Unreadable):
            await self.tell(account_id, found)
        return found

    async def look(self, account_id: str) -> list[Difference] | Unreadable:
        """Read trades and positions once. Without the day's baseline nothing can be compared."""
        held = await self.executions.holdings(account_id)
        if isinstance(held, Unreadable):
            return held
        return await self.judge(account_id, held)

    async def judge(self, account_id: str, held: Holdings) -> list[Difference]:
        if held.carried is None:
            return []
        fills = await self.rows.fills(account_id, held.day)
        foreign = await self.rows.foreign(account_id, held.day, held.trades)
        others = Counter(held.carried)
        others.update(traded(foreign))
        self.standings.note_elsewhere(account_id, held.day, others)
        return differences(fills, held.net, held.carried, foreign)

    async def tell(self, account_id: str, found: Sequence[Difference]) -> None:
        subject = f"account:{account_id}"
        if not found:
            await self.alarms.clear(AlarmName.POSITION_DRIFT, subject)
            return
        await self.alarms.open(
            AlarmName.POSITION_DRIFT,
            subject,
            instrument=", ".join(item.instrument for item in found),
            ledger=", ".join(str(item.ledger) for item in found),
            broker=", ".join(str(item.broker) for item in found),
        )

    async def _compare(self, account_id: str) -> None:
        try:
            await self.compare(account_id)
        except TROUBLE as error:
            log.warning("drift_waits", account_id=account_id, error=str(error))
