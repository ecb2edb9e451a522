"""Whether the market lets a request go now: the gate the dispatcher asks, per order and moment."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from libs.trading.accounts import Environment
from libs.trading.calendar import IST, end_of_trading_day, trading_day
from libs.trading.market import Market, Request, RequestKind
from libs.trading.reasons import HoldReason, SkipReason

# Time enough to bring the table up to date before entries stop.
_WARN_DAYS = 14
# Nobody knows when a halt ends: ask again.
_HALT_LOOK_EVERY = timedelta(seconds=5)


class PaperMarket(StrEnum):
    """The paper exchange never closes; `HOURS` makes paper accounts keep the real hours."""

    OPEN = "open"
    HOURS = "hours"


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """Keep it and ask again at `until`."""

    reason: HoldReason
    until: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Skip:
    """It will never go. `figures` are those behind the reason, ready for its sentence."""

    reason: SkipReason
    figures: Mapping[str, str] = field(default_factory=dict, hash=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class MarketGate:
    market: Market
    paper: PaperMarket

    def ask(
        self,
        instrument: str,
        environment: Environment,
        request: Request,
        *,
        now: datetime,
        expires_at: datetime | None = None,
    ) -> Hold | Skip | None:
        """Say what to do with a request; None lets it go. `now` is the database's.

        Without `expires_at` it is taken to run out at the end of the Indian day.
        """
        if environment is Environment.PAPER and self.paper is PaperMarket.OPEN:
            return None
        if self.market.halted(instrument):
            return Hold(reason=HoldReason.HALTED, until=now + _HALT_LOOK_EVERY)
        try:
            goes_at = self.market.goes_at(instrument, now, request)
        except ValueError:
            # Not a name of ours, so its hours are unknown: nothing is entered, ways out stay open.
            entry = request.kind is RequestKind.ENTRY
            return Skip(reason=SkipReason.UNKNOWN_INSTRUMENT) if entry else None
        if goes_at == now:
            return None
        if goes_at is None:
            return Skip(reason=SkipReason.CLOSED)
        if goes_at >= (expires_at or end_of_trading_day(now)):
            opens = goes_at.astimezone(IST).strftime("%-d %B, %H:%M")
            return Skip(reason=SkipReason.CLOSED, figures={"opens": opens})
        return Hold(reason=HoldReason.PREOPEN, until=goes_at)

    def ends_soon(self, now: datetime) -> dict[str, str] | None:
        """Give the figures of CALENDAR_ENDS from two weeks before the last known date on."""
        known_until = self.market.table.known_until
        days_left = (known_until - trading_day(now)).days
        if days_left > _WARN_DAYS:
            return None
        return {"known_until": known_until.isoformat(), "days_left": str(days_left)}
