"""Symbols of charts and scanners to canonical names: exactly one, or refused."""

import pytest

from services.signal.alerts import AlertRefused
from services.signal.alerts_symbols import canonical

OWN = {"NSE:NIFTY1!": "NFO:NIFTY:2026-12-29:FUT", "NSE:M_M": "NSE:M&M"}


@pytest.mark.parametrize(
    ("symbol", "exchange", "name"),
    [
        ("NSE:SBIN", None, "NSE:SBIN"),
        ("nse:sbin", "BSE", "NSE:SBIN"),
        ("SBIN", "NSE", "NSE:SBIN"),
        ("SBIN", "BSE", "BSE:SBIN"),
        ("BAJAJ-AUTO", "NSE", "NSE:BAJAJ-AUTO"),
        ("M&M", "NSE", "NSE:M&M"),
        ("M_M", "NSE", "NSE:M&M"),
        ("NSE:M_M", None, "NSE:M&M"),
        ("NIFTY1!", "NSE", "NFO:NIFTY:2026-12-29:FUT"),
        ("NSE:NIFTY261229C24500", None, "NFO:NIFTY:2026-12-29:24500:CE"),
        ("NIFTYNXT50261229P65000", "NSE", "NFO:NIFTYNXT50:2026-12-29:65000:PE"),
        ("BSE:SENSEX261231C81000.50", None, "BFO:SENSEX:2026-12-31:81000.5:CE"),
        ("NFO:NIFTY:2026-12-29:FUT", None, "NFO:NIFTY:2026-12-29:FUT"),
    ],
)
def test_a_symbol_that_says_it_all_gets_its_name(
    symbol: str, exchange: str | None, name: str
) -> None:
    assert canonical(symbol, exchange, OWN) == name


@pytest.mark.parametrize(
    ("symbol", "exchange", "words"),
    [
        ("SBIN", None, "names no exchange"),
        ("SBIN", "NSE_DLY", "is no exchange here"),
        ("NASDAQ:AAPL", "NSE", "is no exchange here"),
        ("NSE:BANKNIFTY1!", None, "is a continuous chart"),
        ("NSE:BAJAJ_AUTO", None, "may stand for & or for -"),
        ("NSE:SBIN-EQ", None, "carries a series"),
        ("NSE:NIFTYZ2026", None, "does not name the day of its expiry"),
        ("NFO:NIFTY26DECFUT", None, "does not name the day of its expiry"),
        ("NFO:NIFTY26DEC24500CE", None, "does not name the day of its expiry"),
        ("NSE:NIFTY269929C24500", None, "is not a derivative"),
        ("NFO:SBIN", None, "is not an instrument"),
        ("NFO:NIFTY:2026-12-29", None, "is not an instrument"),
        ("NSE:", "NSE", "is not a symbol"),
        ("SB IN", "NSE", "is not a symbol"),
        ("", "NSE", "is not a symbol"),
        (":", "NSE", "is no exchange"),
    ],
)
def test_what_is_unknown_or_ambiguous_is_refused(
    symbol: str, exchange: str | None, words: str
) -> None:
    with pytest.raises(AlertRefused, match=words):
        canonical(symbol, exchange, OWN)
