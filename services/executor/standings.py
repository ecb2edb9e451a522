"""How accounts stand, in memory, for the limits that count: nothing is looked up per follower."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime

from libs.trading.calendar import trading_day
from libs.trading.entries import Standing
from libs.trading.follows import Follow
from services.executor.births import Born

# An account, and a strategy it follows; None is the whole account.
Counted = tuple[str, str | None]


@dataclass(slots=True)
class Standings:
    """Orders of the Indian date, counted as their rows are written. Unknown until loaded."""

    now: Callable[[], datetime]
    _day: date | None = None
    _orders: Counter[Counted] = field(default_factory=Counter)
    _loaded: set[str] = field(default_factory=set)

    def load(self, account_ids: Iterable[str], orders: Mapping[Counted, int], day: date) -> None:
        """Take in what newly owned accounts ordered on this date."""
        self._turn(day)
        self.forget(account_ids)
        self._loaded |= set(account_ids)
        self._orders.update(orders)

    def forget(self, account_ids: Iterable[str]) -> None:
        gone = set(account_ids)
        self._loaded -= gone
        for key in [key for key in self._orders if key[0] in gone]:
            del self._orders[key]

    def note(self, strategy_id: str, born: Born) -> None:
        """Count orders that were written and not skipped."""
        self._turn(trading_day(self.now()))
        accounts = [claim.intent.account_id for claim in born.claims]
        accounts += [due.leaving.account_id for due in born.due if not due.command]
        for account_id in accounts:
            self._orders[account_id, None] += 1
            self._orders[account_id, strategy_id] += 1

    def of_account(self, account_id: str) -> Standing:
        return self._standing(account_id, None)

    def of_follow(self, follow: Follow) -> Standing:
        """Give the part of the account's standing that this follow made."""
        return self._standing(follow.account_id, follow.strategy_id)

    def _standing(self, account_id: str, strategy_id: str | None) -> Standing:
        self._turn(trading_day(self.now()))
        known = account_id in self._loaded
        return Standing(orders_today=self._orders[account_id, strategy_id] if known else None)

    def _turn(self, day: date) -> None:
        """Begin to count anew on a new date."""
        if self._day is not None and day != self._day:
            self._orders.clear()
        self._day = day
