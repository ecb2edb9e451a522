"""Quotes and depth on the FYERS wire (API v3 reference, data API)."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any
from urllib.parse import quote

from libs.brokers.errors import AnswerUnreadable
from libs.brokers.fyers.wire.values import price_of, whole_of
from libs.trading.quotes import Quote

NameOf = Callable[[str], str | None]


def quotes_query(symbols: Sequence[str]) -> str:
    return f"symbols={quote(','.join(symbols), safe='')}"


def depth_query(symbol: str) -> str:
    return f"symbol={quote(symbol, safe='')}&ohlcv_flag=1"


def read_quotes(payload: Mapping[str, Any], name_of: NameOf, at: datetime) -> list[Quote]:
    """Read a quotes answer. A symbol that it refuses or gives no price for is left out.

    It tells no price band, and `tt` is the day, not the moment: the quote is of when it was asked.
    """
    items = payload.get("d")
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise AnswerUnreadable("quotes that are not a list of objects")
    found = (_quote(item, name_of, at) for item in items if item.get("s") != "error")
    return [quote for quote in found if quote is not None]


def read_depth(
    payload: Mapping[str, Any], symbol: str, instrument: str, at: datetime
) -> Quote | None:
    """Read a depth answer, which has the day's price band too. None without any price."""
    books = payload.get("d")
    book = books.get(symbol) if isinstance(books, dict) else None
    if not isinstance(book, dict):
        raise AnswerUnreadable(f"no depth of {symbol}")
    return _priced(
        Quote(
            instrument=instrument,
            bid=_best(book.get("bids")),
            ask=_best(book.get("ask")),
            last=_price(book.get("ltp")),
            lower_limit=_price(book.get("lower_ckt")),
            upper_limit=_price(book.get("upper_ckt")),
            at=at,
        )
    )


def _quote(item: Mapping[str, Any], name_of: NameOf, at: datetime) -> Quote | None:
    values, instrument = item.get("v"), name_of(str(item.get("n", "")))
    if not isinstance(values, dict) or instrument is None:
        raise AnswerUnreadable(f"a quote of {item.get('n')!r} that nobody asked for or without v")
    return _priced(
        Quote(
            instrument=instrument,
            bid=_price(values.get("bid")),
            ask=_price(values.get("ask")),
            last=_price(values.get("lp")),
            at=at,
        )
    )


def _best(levels: object) -> Decimal | None:
    """Read the best level; a level without volume is a place nobody stands in."""
    if not isinstance(levels, list) or not all(isinstance(level, dict) for level in levels):
        raise AnswerUnreadable("depth levels that are not a list of objects")
    for level in levels:
        price = _price(level.get("price"))
        if price is not None and whole_of(level.get("volume")) > 0:
            return price
    return None


def _priced(quote: Quote) -> Quote | None:
    return quote if quote.bid or quote.ask or quote.last else None


def _price(value: object) -> Decimal | None:
    price = price_of(value)
    if price is not None and price < 0:
        raise AnswerUnreadable(f"{value!r} is not a price")
    return price
