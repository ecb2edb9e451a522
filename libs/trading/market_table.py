"""Reads market_hours.toml and refuses a table that contradicts itself. docs/market-hours.md."""

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, time
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Any

from libs.trading.instruments import CASH_EXCHANGES, DERIVATIVE_EXCHANGES

EVENING = time(17)
_SATURDAY = 5
_FILE = Path(__file__).with_name("market_hours.toml")


class Phase(StrEnum):
    """What an exchange does with orders just now. CAS is the closing auction of shares."""

    PREOPEN = "PREOPEN"
    CONTINUOUS = "CONTINUOUS"
    CAS_TRANSITION = "CAS_TRANSITION"
    CAS_ENTRY = "CAS_ENTRY"
    CAS_LIMIT_ONLY = "CAS_LIMIT_ONLY"
    CLOSED = "CLOSED"
    HALTED = "HALTED"
    # No row tells: before the first or after the last known date.
    UNKNOWN = "UNKNOWN"


class MarketClass(StrEnum):
    """Instruments that keep the same hours."""

    SHARE = "SHARE"
    AUCTION_SHARE = "AUCTION_SHARE"
    EQUITY_DERIVATIVE = "EQUITY_DERIVATIVE"
    EXPIRING_EQUITY_DERIVATIVE = "EXPIRING_EQUITY_DERIVATIVE"
    CURRENCY = "CURRENCY"
    CROSS_CURRENCY = "CROSS_CURRENCY"
    EXPIRING_CURRENCY = "EXPIRING_CURRENCY"
    COMMODITY = "COMMODITY"
    LINKED_COMMODITY = "LINKED_COMMODITY"
    AGRICULTURAL_COMMODITY = "AGRICULTURAL_COMMODITY"


class Closed(StrEnum):
    DAY = "DAY"
    MORNING = "MORNING"
    EVENING = "EVENING"


# When each phase of a day begins, in order, Indian time. Before the first it is CLOSED.
Phases = tuple[tuple[time, Phase], ...]


class WrongTable(ValueError):
    """The table contradicts itself; the text says where."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hours:
    """The hours of a class from one date on, until a later row of the class."""

    market_class: MarketClass
    since: date
    phases: Phases
    confirmed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class MarketTable:
    """`sessions` maps a day to its own phases, or to None where the ordinary hours apply."""

    known_from: date
    known_until: date
    hours: Mapping[MarketClass, tuple[Hours, ...]]
    holidays: Mapping[tuple[str, date], Closed]
    sessions: Mapping[tuple[str, date], Phases | None]
    underlyings: Mapping[str, MarketClass]

    def hours_on(self, market_class: MarketClass, day: date) -> list[Phases]:
        """List every reading of a class's hours on a day.

        One, unless rows are unconfirmed: then these and the last confirmed row. None for a class
        without a row yet.
        """
        readings: list[Phases] = []
        for row in reversed(self.hours[market_class]):
            if row.since <= day:
                readings.append(row.phases)
                if row.confirmed:
                    break
        return readings


@cache
def packaged_table() -> MarketTable:
    return read_table(_FILE.read_text(encoding="utf-8"))


def read_table(text: str) -> MarketTable:
    """Read a table whole. Raise `WrongTable` for what cannot be true."""
    raw = tomllib.loads(text)
    try:
        table = MarketTable(
            known_from=raw["known_from"],
            known_until=raw["known_until"],
            hours=_hours(raw["hours"], raw["sources"]),
            holidays=_holidays(raw["holidays"], raw["sources"]),
            sessions=_sessions(raw.get("sessions", []), raw["sources"]),
            underlyings={
                name: MarketClass(market_class)
                for market_class, names in raw["underlyings"].items()
                for name in names
            },
        )
    except KeyError as error:
        raise WrongTable(f"{error} is missing") from error
    _check(table)
    return table


def _hours(
    rows: Iterable[Mapping[str, Any]], sources: Mapping[str, str]
) -> dict[MarketClass, tuple[Hours, ...]]:
    found: dict[MarketClass, tuple[Hours, ...]] = {}
    for row in rows:
        _check_source(row, sources)
        hours = Hours(
            market_class=MarketClass(row["class"]),
            since=row["from"],
            phases=_phases(row["phases"]),
            confirmed=row.get("confirmed", True),
        )
        earlier = found.get(hours.market_class, ())
        if earlier and earlier[-1].since >= hours.since:
            raise WrongTable(f"{hours.market_class}: {hours.since} does not follow its row before")
        found[hours.market_class] = (*earlier, hours)
    return found


def _holidays(
    rows: Iterable[Mapping[str, Any]], sources: Mapping[str, str]
) -> dict[tuple[str, date], Closed]:
    found: dict[tuple[str, date], Closed] = {}
    for row in rows:
        _check_source(row, sources)
        for exchange in _exchanges(row):
            for day in row["days"]:
                if (exchange, day) in found:
                    raise WrongTable(f"{exchange} {day}: two holidays")
                found[exchange, day] = Closed(row["closed"])
    return found


def _sessions(
    rows: Iterable[Mapping[str, Any]], sources: Mapping[str, str]
) -> dict[tuple[str, date], Phases | None]:
    found: dict[tuple[str, date], Phases | None] = {}
    for row in rows:
        _check_source(row, sources)
        for exchange in _exchanges(row):
            phases = row.get("phases")
            found[exchange, row["day"]] = _phases(phases) if phases else None
    return found


def _exchanges(row: Mapping[str, Any]) -> list[str]:
    exchanges: list[str] = row["exchanges"]
    strange = set(exchanges) - CASH_EXCHANGES - DERIVATIVE_EXCHANGES
    if strange:
        raise WrongTable(f"no such exchange: {', '.join(sorted(strange))}")
    return exchanges


def _phases(row: Mapping[str, str]) -> Phases:
    phases = tuple((time.fromisoformat(at), Phase(phase)) for at, phase in row.items())
    starts = [at for at, _ in phases]
    if starts != sorted(set(starts)) or not phases or phases[-1][1] is not Phase.CLOSED:
        raise WrongTable(f"{dict(row)}: phases must follow each other and end CLOSED")
    return phases


def _check_source(row: Mapping[str, Any], sources: Mapping[str, str]) -> None:
    unknown = set(row["source"].split(", ")) - set(sources)
    if unknown:
        raise WrongTable(f"no such source: {', '.join(sorted(unknown))}")


def _check(table: MarketTable) -> None:
    if table.known_from > table.known_until:
        raise WrongTable("known_from is after known_until")
    for market_class in MarketClass:
        rows = table.hours.get(market_class)
        if not rows:
            raise WrongTable(f"{market_class}: no hours")
        if not any(row.confirmed for row in rows) and not market_class.startswith("EXPIRING_"):
            raise WrongTable(f"{market_class}: no confirmed hours")
    for exchange, day in (*table.holidays, *table.sessions):
        if wrong := _wrong_day(table, exchange, day):
            raise WrongTable(f"{exchange} {day}: {wrong}")


def _wrong_day(table: MarketTable, exchange: str, day: date) -> str | None:
    if not table.known_from <= day <= table.known_until:
        return "outside the known dates"
    holiday, weekend = (exchange, day) in table.holidays, day.weekday() >= _SATURDAY
    if holiday and weekend:
        return "a weekend needs no holiday, is the date right?"
    if not holiday and not weekend:
        return "no special session on an ordinary day"
    return None
