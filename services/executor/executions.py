"""What an account traded today and holds now, and what no trade of the day explains."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime

from libs.trading.calendar import trading_day
from libs.trading.orders import Position, Trade
from services.executor.baseline import Baseline
from services.executor.evidence import Executions
from services.executor.reads import AccountReads, Unreadable


@dataclass(frozen=True, slots=True, kw_only=True)
class Holdings:
    """One reading of trade book and positions, one right after the other."""

    day: date
    trades: Sequence[Trade]
    net: Mapping[str, int]
    carried: Mapping[str, int] | None

    @property
    def moved(self) -> dict[str, int] | None:
        """By instrument, what neither a trade nor the day before explains; None when unknown."""
        if self.carried is None:
            return None
        return unexplained(self.net, self.trades, self.carried)


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutionReads:
    reads: AccountReads
    baseline: Baseline

    async def holdings(self, account_id: str, *, urgent: bool = False) -> Holdings | Unreadable:
        """Read trades and positions; the first reading of a day is the day's baseline too."""
        day = trading_day(datetime.now(UTC))
        trades = await self.reads.trades(account_id, urgent=urgent)
        if isinstance(trades, Unreadable):
            return trades
        positions = await self.reads.positions(account_id, urgent=urgent)
        if isinstance(positions, Unreadable):
            return positions
        carried = await self.baseline.carried(account_id, day)
        return Holdings(day=day, trades=trades, net=net_of(positions), carried=carried)

    async def executions(self, account_id: str) -> Executions | Unreadable:
        found = await self.holdings(account_id, urgent=True)
        if isinstance(found, Unreadable):
            return found
        return Executions(trades=found.trades, moved=found.moved)

    async def begin_day(self, account_id: str) -> bool:
        """Keep what the account carries into the day, once; False when it could not be read."""
        found = await self.holdings(account_id)
        if isinstance(found, Unreadable):
            return False
        if found.carried is None:
            carried = unexplained(found.net, found.trades, {})
            await self.baseline.note_carried(account_id, found.day, carried)
        return True


def net_of(positions: Iterable[Position]) -> dict[str, int]:
    """Sum up per instrument: a position may be converted from one product to another."""
    net: Counter[str] = Counter()
    for position in positions:
        net[position.instrument] += position.net_quantity
    return dict(net)


def traded(trades: Iterable[Trade]) -> dict[str, int]:
    net: Counter[str] = Counter()
    for trade in trades:
        net[trade.instrument] += trade.signed_quantity
    return dict(net)


def unexplained(
    net: Mapping[str, int], trades: Iterable[Trade], carried: Mapping[str, int]
) -> dict[str, int]:
    """Leave what is held but was neither traded today nor carried in."""
    bought = traded(trades)
    rest = {
        name: net.get(name, 0) - bought.get(name, 0) - carried.get(name, 0)
        for name in net.keys() | bought.keys() | carried.keys()
    }
    return {name: quantity for name, quantity in rest.items() if quantity}
