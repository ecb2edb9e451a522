"""Quotes and depth of the reference, read exactly; what is not their shape is no price."""

from decimal import Decimal
from typing import Any

import pytest

from libs.brokers.errors import AnswerUnreadable
from libs.brokers.fyers import wire
from libs.trading.quotes import Quote
from tests.factories import NOON

NAMES = {"NSE:SBIN-EQ": "NSE:SBIN", "NSE:M&M-EQ": "NSE:M&M"}
VALUES = {"lp": 812.5, "bid": 812.45, "ask": 812.55, "spread": 0.1, "tt": "1795392000"}
BOOK: dict[str, Any] = {
    "bids": [{"price": 812.45, "volume": 120, "ord": 3}, {"price": 812.4, "volume": 9, "ord": 1}],
    "ask": [{"price": 812.55, "volume": 80, "ord": 2}],
    "ltp": 812.5,
    "lower_ckt": 731.25,
    "upper_ckt": 893.75,
}


def quotes(*items: Any) -> list[Quote]:
    return wire.read_quotes({"d": list(items)}, NAMES.get, NOON)


def depth(**changes: Any) -> Quote | None:
    payload = {"d": {"NSE:SBIN-EQ": {**BOOK, **changes}}}
    return wire.read_depth(payload, "NSE:SBIN-EQ", "NSE:SBIN", NOON)


def test_queries_are_encoded_whole() -> None:
    assert wire.quotes_query(list(NAMES)) == "symbols=NSE%3ASBIN-EQ%2CNSE%3AM%26M-EQ"
    assert wire.depth_query("NSE:M&M-EQ") == "symbol=NSE%3AM%26M-EQ&ohlcv_flag=1"


def test_quote_is_exact_and_has_no_price_band() -> None:
    assert quotes({"n": "NSE:SBIN-EQ", "s": "ok", "v": VALUES}) == [
        Quote(
            instrument="NSE:SBIN",
            bid=Decimal("812.45"),
            ask=Decimal("812.55"),
            last=Decimal("812.5"),
            at=NOON,
        )
    ]


def test_depth_is_a_quote_with_the_price_band() -> None:
    assert depth() == Quote(
        instrument="NSE:SBIN",
        bid=Decimal("812.45"),
        ask=Decimal("812.55"),
        last=Decimal("812.5"),
        lower_limit=Decimal("731.25"),
        upper_limit=Decimal("893.75"),
        at=NOON,
    )


def test_symbol_refused_or_without_a_price_is_left_out() -> None:
    refused = {"n": "NSE:NO-EQ", "s": "error", "v": {"errmsg": "Invalid symbol"}}
    silent = {"n": "NSE:M&M-EQ", "s": "ok", "v": {"lp": 0, "bid": 0, "ask": 0}}

    assert quotes(refused, silent) == []
    assert depth(ltp=0, bids=[], ask=[]) is None


def test_empty_level_is_nobodys_offer() -> None:
    quote = depth(bids=[{"price": 812.45, "volume": 0}, {"price": 0, "volume": 5}], ask=[])

    assert quote is not None
    assert (quote.bid, quote.ask) == (None, None)


@pytest.mark.parametrize(
    "payload",
    [
        {},
        {"d": None},
        {"d": {}},
        {"d": ["NSE:SBIN-EQ"]},
        {"d": [{"n": "NSE:SBIN-EQ", "s": "ok"}]},
        {"d": [{"n": "NSE:SBIN-EQ", "s": "ok", "v": {"lp": "dear"}}]},
        {"d": [{"n": "NSE:SBIN-EQ", "s": "ok", "v": {"lp": -1}}]},
        {"d": [{"n": "NSE:TCS-EQ", "s": "ok", "v": VALUES}]},
    ],
)
def test_malformed_quotes_are_no_prices(payload: dict[str, Any]) -> None:
    with pytest.raises(AnswerUnreadable):
        wire.read_quotes(payload, NAMES.get, NOON)


@pytest.mark.parametrize(
    "payload",
    [
        {},
        {"d": []},
        {"d": {"NSE:TCS-EQ": BOOK}},
        {"d": {"NSE:SBIN-EQ": []}},
        {"d": {"NSE:SBIN-EQ": {**BOOK, "bids": None}}},
        {"d": {"NSE:SBIN-EQ": {**BOOK, "ask": [812.5]}}},
        {"d": {"NSE:SBIN-EQ": {**BOOK, "ltp": True}}},
        {"d": {"NSE:SBIN-EQ": {**BOOK, "upper_ckt": "NaN"}}},
    ],
)
def test_malformed_depth_is_no_price(payload: dict[str, Any]) -> None:
    with pytest.raises(AnswerUnreadable):
        wire.read_depth(payload, "NSE:SBIN-EQ", "NSE:SBIN", NOON)
