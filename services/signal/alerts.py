"""What alert services send, read into entries: one per instrument that an alert names. Pure.

Numbers stay the text they were written as: a float would have lost digits before anybody judged it.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from enum import StrEnum

from libs.trading.calendar import instant_in_india, trading_day

# One entry of an alert: the names of its fields (`order.action` within `order`) and their texts.
Entry = Mapping[str, str]

STOCKS_MAX = 50
_OPENINGS_MAX = 32
_FIELDS_MAX = 100
_QUOTED_MAX = 40
_MASK = "***"

_SECONDS = re.compile(r"[0-9]{10}")
_MILLISECONDS = re.compile(r"[0-9]{13}")
_TIME_OF_DAY = re.compile(r"(1[0-2]|0?[1-9]):([0-5][0-9]) ?([ap])m", re.IGNORECASE)
_MINUTE = timedelta(minutes=1)
_HALF_DAY_H = 12


class AlertFormat(StrEnum):
    """Whose bodies these are: JSON that its author writes, or a scanner's list of stocks."""

    TRADINGVIEW = "TRADINGVIEW"
    CHARTINK = "CHARTINK"


class AlertRefused(Exception):
    """The alert can not become a signal; the message says why, and what to change."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """When an alert says it was made: an instant, or the minute in which it lies."""

    first: datetime
    last: datetime

    @property
    def instant(self) -> datetime | None:
        return self.first if self.first == self.last else None

    def within(self, window_s: int, now: datetime) -> bool:
        window = timedelta(seconds=window_s)
        return self.first - window <= now <= self.last + window


def entries_of(kind: AlertFormat, body: bytes, *, secret: str) -> list[Entry]:
    """Read a body. Raise `AlertRefused`. The secret is masked wherever the body repeats it."""
    fields = dict(_fields(_object(body), "", secret))
    if len(fields) > _FIELDS_MAX:
        raise AlertRefused(f"the alert has more than {_FIELDS_MAX} fields")
    return [fields] if kind is AlertFormat.TRADINGVIEW else _stocks(fields)


def moment_of(text: str, now: datetime) -> Moment:
    """Read when an alert was made. Raise `AlertRefused` unless that is one moment for everybody."""
    at = _instant(text)
    if at is not None:
        return Moment(first=at, last=at)
    in_india = _TIME_OF_DAY.fullmatch(text)
    if in_india is None:
        raise AlertRefused(
            f"alerted_at: {quoted(text)} is no moment: send 2026-12-29T09:56:00Z, seconds since "
            'the epoch, or a time in India as "2:34 pm"'
        )
    hour = int(in_india[1]) % _HALF_DAY_H + (_HALF_DAY_H if in_india[3] in "pP" else 0)
    first = instant_in_india(trading_day(now), time(hour, int(in_india[2])))
    return Moment(first=first, last=first + _MINUTE)


def quoted(text: str) -> str:
    """Repeat a value of an alert in a sentence, briefly, and nothing that hides."""
    shown = "".join(c if c.isprintable() else "?" for c in text[: _QUOTED_MAX + 1])
    return repr(shown if len(shown) <= _QUOTED_MAX else f"{shown[:_QUOTED_MAX]}…")


def _object(body: bytes) -> dict[str, object]:
    # Depth costs stack: what no alert needs is refused before it is parsed.
    if body.count(b"{") + body.count(b"[") > _OPENINGS_MAX:
        raise AlertRefused("the body is nested too deeply: send one flat JSON object")
    try:
        read = json.loads(
            body.decode(),
            parse_int=str,
            parse_float=str,
            parse_constant=_no_number,
            object_pairs_hook=_each_once,
        )
    except ValueError:
        raise AlertRefused("the body is not JSON: send one JSON object as the message") from None
    if not isinstance(read, dict):
        raise AlertRefused("the body is not a JSON object: write { at its beginning")
    return read


def _no_number(word: str) -> str:
    raise AlertRefused(f"the body holds {word}, which is no number")


def _each_once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    read = dict(pairs)
    if len(read) < len(pairs):
        raise AlertRefused("the body names a field twice: which one is meant can not be told")
    return read


def _fields(value: Mapping[str, object], under: str, secret: str) -> Iterator[tuple[str, str]]:
    """List the fields with a value. A list has no single value, so it is none."""
    for name, item in value.items():
        path = f"{under}{name}"
        if isinstance(item, dict):
            yield from _fields(item, f"{path}.", secret)
        elif isinstance(item, bool):
            yield path, "true" if item else "false"
        elif isinstance(item, str):
            yield path, item.replace(secret, _MASK).strip()


def _stocks(fields: Entry) -> list[Entry]:
    """Make each stock an entry of its own, with its price beside it."""
    stocks = _listed(fields.get("stocks", ""))
    if not stocks or "" in stocks:
        raise AlertRefused('stocks: must name stocks, as "SBIN,INFY"')
    if len(stocks) > STOCKS_MAX:
        raise AlertRefused(f"stocks: names {len(stocks)} stocks, at most {STOCKS_MAX} are taken")
    if len(set(stocks)) < len(stocks):
        raise AlertRefused("stocks: names a stock twice")
    prices = _listed(fields.get("trigger_prices", ""))
    if prices and len(prices) != len(stocks):
        raise AlertRefused(
            f"trigger_prices: {len(prices)} prices for {len(stocks)} stocks do not fit together"
        )
    priced = [{"trigger_price": price} for price in prices] or [{} for _ in stocks]
    return [
        {**fields, "stock": stock, **price} for stock, price in zip(stocks, priced, strict=True)
    ]


def _listed(text: str) -> list[str]:
    return [part.strip() for part in text.rstrip(", ").split(",")] if text.strip(", ") else []


def _instant(text: str) -> datetime | None:
    try:
        if _SECONDS.fullmatch(text):
            return datetime.fromtimestamp(int(text), UTC)
        if _MILLISECONDS.fullmatch(text):
            return datetime.fromtimestamp(int(text) / 1000, UTC)
        at = datetime.fromisoformat(text)
    except (ValueError, OverflowError):
        return None
    # Without a zone it is a guess by hours.
    return at.astimezone(UTC) if at.tzinfo else None
