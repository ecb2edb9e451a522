"""How accounts stand, in memory, for the rules that count: nothing is looked up per follower."""

import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import NamedTuple

from libs.trading.calendar import end_of_trading_day, trading_day
from libs.trading.entries import Standing
from libs.trading.follows import Follow
from libs.trading.orders import Product
from libs.trading.signals import SignalAction
from services.executor.rows import PlannedOrder

# An account, and a strategy it follows; None is the whole account.
Counted = tuple[str, str | None]
Key = tuple[str, Product]


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Net quantities by instrument and product, entries at work included, and the day's loss."""

    positions: Mapping[Key, int]
    loss: Decimal | None


_NOTHING = Part(positions={}, loss=Decimal(0))


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What was read of an account at `at` (monotonic seconds): the whole, and each strategy's.

    `leaving` is what exits at work will take away, signed like the positions.
    """

    at: float
    funds: Decimal
    equity: Decimal
    whole: Part
    parts: Mapping[str, Part]
    leaving: Mapping[Key, int] = field(default_factory=dict)


class _Ordered(NamedTuple):
    at: float
    strategy_id: str
    key: Key
    quantity: int
    closes: bool


@dataclass(slots=True, kw_only=True)
class Standings:
    """Orders of the Indian date, counted as their rows are written, and what was read of accounts.

    Both are unknown until loaded; what was read is unknown again after `lasts_s`.
    """

    now: Callable[[], datetime]
    lasts_s: float
    monotonic: Callable[[], float] = time.monotonic
    _day: date | None = None
    _ends_at: datetime | None = None
    _orders: Counter[Counted] = field(default_factory=Counter)
    _loaded: set[str] = field(default_factory=set)
    _seen: dict[str, Seen] = field(default_factory=dict)
    _since: defaultdict[str, list[_Ordered]] = field(default_factory=lambda: defaultdict(list))
    _elsewhere: dict[str, Mapping[str, int]] = field(default_factory=dict)

    def load(self, account_ids: Iterable[str], orders: Mapping[Counted, int], day: date) -> None:
        """Take in what accounts that are new here ordered on this date.

        What was counted while the ledger was being asked stands if it is more.
        """
        self._turn(day)
        self._loaded |= set(account_ids)
        for key, count in orders.items():
            self._orders[key] = max(self._orders[key], count)

    def knows(self, account_id: str) -> bool:
        """Tell whether an account's orders of the day were loaded."""
        return account_id in self._loaded

    def take(self, account_id: str, seen: Seen) -> None:
        """Take in what was read; what was ordered after that stands beside it."""
        if account_id in self._loaded:
            self._seen[account_id] = seen
            later = [item for item in self._since[account_id] if item.at >= seen.at]
            self._since[account_id] = later

    def note_elsewhere(self, account_id: str, day: date, held: Mapping[str, int]) -> None:
        """Take in what an account holds besides our orders of this date, by instrument.

        Carried into the day, or traded by its owner: net and signed.
        """
        self._turn_by_the_clock()
        if day == self._day and account_id in self._loaded:
            self._elsewhere[account_id] = held

    def elsewhere(self, account_id: str, instrument: str) -> int | None:
        """Tell what an account holds besides our orders of today; None when nobody looked."""
        self._turn_by_the_clock()
        held = self._elsewhere.get(account_id)
        return None if held is None else held.get(instrument, 0)

    def age_s(self, account_id: str) -> float:
        """Tell how long ago an account was read."""
        seen = self._seen.get(account_id)
        return float("inf") if seen is None else self.monotonic() - seen.at

    def forget(self, account_ids: Iterable[str]) -> None:
        gone = set(account_ids)
        self._loaded -= gone
        for key in [key for key in self._orders if key[0] in gone]:
            del self._orders[key]
        for account_id in gone:
            self._seen.pop(account_id, None)
            self._since.pop(account_id, None)
            self._elsewhere.pop(account_id, None)

    def note(self, strategy_id: str, orders: Sequence[PlannedOrder]) -> None:
        """Count orders that were written and not skipped."""
        self._turn_by_the_clock()
        for order in orders:
            self._orders[order.account_id, None] += 1
            self._orders[order.account_id, strategy_id] += 1
            shape = order.shape
            if order.account_id in self._seen:
                key = (shape.signal.instrument, shape.product)
                quantity = shape.side.sign * shape.terms.quantity
                closes = shape.signal.action is SignalAction.EXIT
                ordered = _Ordered(self.monotonic(), strategy_id, key, quantity, closes)
                self._since[order.account_id].append(ordered)

    def of_account(self, account_id: str) -> Standing:
        seen = self._fresh(account_id)
        return self._standing(account_id, None, seen, seen.whole if seen else None)

    def of_follow(self, follow: Follow) -> Standing:
        """Give the part of the account's standing that this follow made."""
        seen = self._fresh(follow.account_id)
        part = seen.parts.get(follow.strategy_id, _NOTHING) if seen else None
        return self._standing(follow.account_id, follow.strategy_id, seen, part)

    def _fresh(self, account_id: str) -> Seen | None:
        self._turn_by_the_clock()
        return self._seen.get(account_id) if self.age_s(account_id) <= self.lasts_s else None

    def _standing(
        self, account_id: str, strategy_id: str | None, seen: Seen | None, part: Part | None
    ) -> Standing:
        known = account_id in self._loaded
        today = self._orders[account_id, strategy_id] if known else None
        if seen is None or part is None:
            return Standing(orders_today=today)
        positions, leaving = part.positions, seen.leaving
        if since := self._since.get(account_id):
            positions, leaving = Counter(positions), Counter(leaving)
            for item in since:
                if item.closes:
                    leaving[item.key] += item.quantity
                elif strategy_id in {None, item.strategy_id}:
                    positions[item.key] += item.quantity
        return Standing(
            funds=seen.funds,
            equity=seen.equity,
            positions=positions,
            leaving=leaving,
            open_positions=sum(map(bool, positions.values())),
            orders_today=today,
            loss_today=part.loss,
        )

    def _turn_by_the_clock(self) -> None:
        # Asked for every follower of a signal: the date is worked out when a day has ended.
        now = self.now()
        if self._ends_at is None or now >= self._ends_at:
            self._turn(trading_day(now))
            self._ends_at = end_of_trading_day(now)

    def _turn(self, day: date) -> None:
        """Begin to count anew on a new date."""
        if self._day is not None and day != self._day:
            self._orders.clear()
            self._seen.clear()
            self._since.clear()
            self._elsewhere.clear()
        self._day = day
