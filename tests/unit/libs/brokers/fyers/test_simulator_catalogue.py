import csv

import pytest

from libs.brokers.fyers.simulator.catalogue import CONTRACTS, catalogue
from libs.paper.instruments import BUILT_IN


def test_every_paper_instrument_is_listed_with_its_own_lot_and_tick() -> None:
    with CONTRACTS.open() as file:
        rows = {row[9]: row for row in csv.reader(file)}

    assert set(catalogue().by_name) == set(BUILT_IN)
    for name, symbol in catalogue().by_name.items():
        row = rows[symbol.ticker]
        assert len(row) == 21
        assert int(row[3]) == BUILT_IN[name].lot_size
        assert float(row[4]) == float(BUILT_IN[name].tick_size)


@pytest.mark.parametrize(
    ("ticker", "name"),
    [
        ("NSE:SBIN-EQ", "NSE:SBIN"),
        ("NSE:M&M-EQ", "NSE:M&M"),
        ("NSE:NIFTY26DECFUT", "NFO:NIFTY:2026-12-29:FUT"),
        ("NSE:NIFTY26DEC24500CE", "NFO:NIFTY:2026-12-29:24500:CE"),
    ],
)
def test_ticker_stands_for_our_name(ticker: str, name: str) -> None:
    assert catalogue().by_ticker[ticker].name == name


def test_fy_token_is_made_as_documented() -> None:
    for symbol in catalogue().by_name.values():
        assert symbol.fy_token.startswith(f"{symbol.exchange}{symbol.segment}")
        expiry = "000000" if symbol.is_cash else "261229"
        assert symbol.fy_token[4:10] == expiry
