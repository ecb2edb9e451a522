import csv

import orjson
import pytest

from libs.brokers.fyers.simulator.catalogue import catalogue
from libs.paper.instruments import BUILT_IN


def test_every_paper_instrument_is_listed_with_the_rules_of_its_exchange() -> None:
    files = catalogue().files
    masters = {
        **orjson.loads(files["NSE_CM_sym_master.json"]),
        **orjson.loads(files["NSE_FO_sym_master.json"]),
    }

    assert set(catalogue().by_name) == set(BUILT_IN)
    assert len(masters) == len(BUILT_IN)
    for name, symbol in catalogue().by_name.items():
        contract, listed = masters[symbol.ticker], BUILT_IN[name]
        assert contract["minLotSize"] == listed.lot_size
        assert contract["tickSize"] == float(listed.tick_size)
        assert contract["qtyFreeze"] == str(listed.freeze_quantity or "")
        assert contract["upperPrice"] == float(listed.upper_circuit)
        assert contract["lowerPrice"] == float(listed.lower_circuit)


def test_csv_masters_say_the_same_in_their_columns() -> None:
    lines = (catalogue().files["NSE_CM.csv"] + catalogue().files["NSE_FO.csv"]).decode()
    rows = {row[9]: row for row in csv.reader(lines.splitlines())}

    assert {len(row) for row in rows.values()} == {21}
    assert rows["NSE:SBIN-EQ"][:5] == ["10100000003045", "STATE BANK OF INDIA", "0", "1", "0.05"]
    assert rows["NSE:SBIN-EQ"][10:17] == ["10", "10", "3045", "SBIN", "3045", "-1.0", "XX"]
    assert rows["NSE:NIFTY26DEC24500CE"][13:18] == [
        *("NIFTY", "26000", "24500.0", "CE", "101000000026000"),
    ]


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
