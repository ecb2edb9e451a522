"""When the exchange of an instrument takes which orders: phases by date, from market_table.

One instrument may have several readings: nobody may know whether a share has derivatives, or a
change of hours may be unconfirmed. An entry needs all readings to be in continuous trading.
"""

from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from enum import StrEnum
from itertools import pairwise

from libs.trading.calendar import instant_in_india, trading_day
from libs.trading.instruments import InstrumentName, parse_instrument
from libs.trading.market_table import (
    EVENING,
    Closed,
    MarketClass,
    MarketTable,
    Phase,
    Phases,
    packaged_table,
)
from libs.trading.orders import OrderType, Validity

_MIDNIGHT = time(0)
_SATURDAY = 5
# No exchange was ever closed for longer; beyond this nothing is promised.
_AHEAD_DAYS_MAX = 10
_REMEMBERED_MAX = 20_000

# The phases of one day as instants: when each begins, in order, the first at midnight.
Reading = tuple[tuple[datetime, Phase], ...]


class RequestKind(StrEnum):
    ENTRY = "ENTRY"
    EXIT = "EXIT"
    MODIFY = "MODIFY"
    CANCEL = "CANCEL"


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What somebody wants to send. The type and validity are those of the order it is about."""

    kind: RequestKind
    order_type: OrderType = OrderType.LIMIT
    validity: Validity = Validity.DAY


def nobody_knows(_underlying: str) -> bool | None:
    return None


@dataclass(slots=True)
class Market:
    """`has_derivatives` tells whether a share has derivatives at any exchange, None if unknown.

    `halts` names the exchanges and instruments in which trading is halted now.
    """

    table: MarketTable = field(default_factory=packaged_table)
    has_derivatives: Callable[[str], bool | None] = nobody_knows
    halts: set[str] = field(default_factory=set)
    _readings: dict[tuple[str, date], tuple[Reading, ...]] = field(default_factory=dict)

    def phase_of(self, instrument: str, at: datetime) -> Phase:
        """Tell the phase; where readings differ, one that is not continuous trading."""
        if self.halted(instrument):
            return Phase.HALTED
        day = trading_day(at)
        if not self._knows(day):
            return Phase.UNKNOWN
        phases = [_phase_in(reading, at) for reading in self._of(instrument, day)]
        return next((phase for phase in phases if phase is not Phase.CONTINUOUS), Phase.CONTINUOUS)

    def may_enter(self, instrument: str, at: datetime) -> bool:
        return self.phase_of(instrument, at) is Phase.CONTINUOUS

    def goes_at(self, instrument: str, at: datetime, request: Request) -> datetime | None:
        """Find when this may be sent: `at` itself for now, None for no moment that is known.

        A halt is not looked at: nobody knows when it ends.
        """
        if self._goes(instrument, at, request):
            return at
        return next(
            (
                change
                for change in self._changes(instrument, at)
                if self._goes(instrument, change, request)
            ),
            None,
        )

    def next_change(self, instrument: str, at: datetime) -> datetime | None:
        """Find when the phase will be another one. None when nothing is known of it."""
        now = self.phase_of(instrument, at)
        changes = self._changes(instrument, at)
        return next((when for when in changes if self.phase_of(instrument, when) is not now), None)

    def close_of_day(self, instrument: str, at: datetime) -> datetime | None:
        """Find the end of continuous trading on the Indian date of `at`; None for a closed day."""
        day = trading_day(at)
        ends = [_end_of_trading(reading) for reading in self._of(instrument, day)]
        if not self._knows(day) or None in ends:
            return None
        return min(end for end in ends if end is not None)

    def halted(self, instrument: str) -> bool:
        return instrument in self.halts or instrument.partition(":")[0] in self.halts

    def _goes(self, instrument: str, at: datetime, request: Request) -> bool:
        day = trading_day(at)
        if request.kind is RequestKind.ENTRY and not self._knows(day):
            return False
        taken = [_takes(_phase_in(r, at), request) for r in self._of(instrument, day)]
        if all(taken) or request.kind is RequestKind.ENTRY:
            return all(taken)
        # What reduces risk waits for a moment that every reading allows, if one comes today.
        # Refused by the exchange it would be over; not sent at all it would be worse.
        return any(taken) and not self._all_take_later(instrument, at, request)

    def _all_take_later(self, instrument: str, at: datetime, request: Request) -> bool:
        readings = self._of(instrument, trading_day(at))
        later = {start for reading in readings for start, _ in reading if start > at}
        return any(all(_takes(_phase_in(r, when), request) for r in readings) for when in later)

    def _changes(self, instrument: str, after: datetime) -> list[datetime]:
        first = trading_day(after)
        days = (first + timedelta(days=n) for n in range(_AHEAD_DAYS_MAX + 1))
        starts = {
            start for day in days for r in self._of(instrument, day) for start, _ in r
        }  # fmt: skip
        return sorted(start for start in starts if start > after)

    def _knows(self, day: date) -> bool:
        return self.table.known_from <= day <= self.table.known_until

    def _of(self, instrument: str, day: date) -> tuple[Reading, ...]:
        known = self._readings.get((instrument, day))
        if known is None:
            if len(self._readings) >= _REMEMBERED_MAX:
                self._readings.clear()
            known = self._readings[instrument, day] = self._read(instrument, day)
        return known

    def _read(self, instrument: str, day: date) -> tuple[Reading, ...]:
        name = parse_instrument(instrument)
        special = (name.exchange, day) in self.table.sessions
        if phases := self.table.sessions.get((name.exchange, day)):
            return (_reading(day, phases),)
        closed = self.table.holidays.get((name.exchange, day))
        if not special and (closed is Closed.DAY or day.weekday() >= _SATURDAY):
            return (_reading(day, ()),)
        hours = [
            phases
            for market_class in self._classes(name, day)
            for phases in self.table.hours_on(market_class, day)
        ]
        if not special:
            hours = [_without(phases, closed) for phases in hours]
        # A day before the first row of a class has no hours: closed.
        return tuple(_reading(day, phases) for phases in hours) or (_reading(day, ()),)

    def _classes(self, name: InstrumentName, day: date) -> list[MarketClass]:
        """List what an instrument may be; more than one when that cannot be told."""
        listed = self.table.underlyings.get(name.underlying)
        match name.exchange:
            case "NSE" | "BSE":
                return _share_classes(self.has_derivatives(name.underlying))
            case "NFO" | "BFO":
                usual, expiring = (
                    MarketClass.EQUITY_DERIVATIVE,
                    MarketClass.EXPIRING_EQUITY_DERIVATIVE,
                )
            case "CDS" | "BCD":
                usual = listed or MarketClass.CURRENCY
                expiring = MarketClass.EXPIRING_CURRENCY
            case _:
                every = [MarketClass.COMMODITY, MarketClass.AGRICULTURAL_COMMODITY]
                return [listed] if listed else every
        return [expiring, usual] if name.expiry == day else [usual]


def _share_classes(has_derivatives: bool | None) -> list[MarketClass]:
    if has_derivatives is None:
        return [MarketClass.AUCTION_SHARE, MarketClass.SHARE]
    return [MarketClass.AUCTION_SHARE if has_derivatives else MarketClass.SHARE]


def _takes(phase: Phase, request: Request) -> bool:
    """Tell whether an exchange takes a request in a phase. Only what reduces risk or changes an
    order goes into the closing auction, which knows neither stops nor immediate-or-cancel.
    """
    if phase is Phase.CONTINUOUS:
        return True
    if phase not in {Phase.CAS_ENTRY, Phase.CAS_LIMIT_ONLY} or request.kind is RequestKind.ENTRY:
        return False
    limit_only = phase is Phase.CAS_LIMIT_ONLY
    if request.kind is RequestKind.CANCEL:
        return not (limit_only and request.order_type is OrderType.MARKET)
    taken = {OrderType.LIMIT} if limit_only else {OrderType.LIMIT, OrderType.MARKET}
    return request.order_type in taken and request.validity is Validity.DAY


def _without(phases: Phases, closed: Closed | None) -> Phases:
    """Take the closed half out of a day's phases."""
    if closed is Closed.MORNING:
        last = [phase for at, phase in phases if at <= EVENING][-1:]
        evening = tuple((at, phase) for at, phase in phases if at > EVENING)
        return (*((EVENING, phase) for phase in last), *evening)
    if closed is Closed.EVENING:
        return (*((at, phase) for at, phase in phases if at < EVENING), (EVENING, Phase.CLOSED))
    return phases


def _reading(day: date, phases: Phases) -> Reading:
    starts = ((_MIDNIGHT, Phase.CLOSED), *phases)
    return tuple((instant_in_india(day, at), phase) for at, phase in starts)


def _phase_in(reading: Reading, at: datetime) -> Phase:
    return reading[bisect_right(reading, at, key=_start) - 1][1]


def _start(entry: tuple[datetime, Phase]) -> datetime:
    return entry[0]


def _end_of_trading(reading: Reading) -> datetime | None:
    ends = [after[0] for before, after in pairwise(reading) if before[1] is Phase.CONTINUOUS]
    return max(ends, default=None)
