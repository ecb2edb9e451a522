"""Names and symbols by the columns of the symbol master; what is not clear is not found."""

import csv
from decimal import Decimal

import pytest

from libs.brokers.fyers.instruments import FyersInstruments, load_instruments
from libs.brokers.fyers.manifest import MANIFEST
from libs.trading.accounts import Environment
from libs.trading.instruments import Instrument, parse_instrument
from tests.unit.libs.brokers.fyers.payloads import FOLDER

ROWS = list(csv.reader((FOLDER / "symbol_master.csv").read_text().splitlines()))


@pytest.mark.parametrize(
    ("name", "symbol"),
    [
        ("NSE:SBIN", "NSE:SBIN-EQ"),
        ("NFO:NIFTY:2026-09-29:FUT", "NSE:NIFTY26SEPFUT"),
        ("NFO:NIFTY:2026-09-29:29200:CE", "NSE:NIFTY26SEP29200CE"),
        ("MCX:CRUDEOIL:2026-09-21:FUT", "MCX:CRUDEOIL26SEPFUT"),
    ],
)
def test_rows_of_the_reference_are_named(name: str, symbol: str) -> None:
    instruments = FyersInstruments(ROWS)

    assert instruments.symbol_of(name) == symbol
    assert instruments.name_of(symbol) == name


def test_lot_and_tick_come_along() -> None:
    assert FyersInstruments(ROWS).find("NFO:NIFTY:2026-09-29:29200:CE") == Instrument(
        name="NFO:NIFTY:2026-09-29:29200:CE", lot_size=65, tick_size=Decimal("0.05")
    )


def test_index_cannot_be_traded() -> None:
    instruments = FyersInstruments(ROWS)

    assert instruments.find("NSE:NIFTY") is None
    assert instruments.name_of("NSE:NIFTY50-INDEX") is None


def test_name_that_two_symbols_claim_is_nobodys() -> None:
    other_series = [*ROWS[0][:9], "NSE:SBIN-BL", *ROWS[0][10:]]
    instruments = FyersInstruments([*ROWS, other_series])

    assert instruments.find("NSE:SBIN") is None
    assert instruments.symbol_of("NSE:SBIN") is None
    assert instruments.name_of("NSE:SBIN-EQ") is None
    assert instruments.find("NFO:NIFTY:2026-09-29:FUT") is not None


def test_symbol_that_stands_for_two_names_is_not_used() -> None:
    other_name = [*ROWS[0][:13], "SBINEW", *ROWS[0][14:]]

    instruments = FyersInstruments([ROWS[0], other_name])

    assert instruments.find("NSE:SBIN") is None
    assert instruments.find("NSE:SBINEW") is None


def test_repeated_row_is_no_contradiction() -> None:
    assert FyersInstruments([ROWS[0], ROWS[0]]).find("NSE:SBIN") is not None


def test_short_and_foreign_rows_are_left_out() -> None:
    currency_index = [*ROWS[1][:10], "10", "12", *ROWS[1][12:]]
    unknown_exchange = [*ROWS[0][:10], "99", "10", *ROWS[0][12:]]

    instruments = FyersInstruments([[], ["1", "2"], currency_index, unknown_exchange])

    assert instruments.name_of("NSE:SBIN-EQ") is None
    assert instruments.name_of("NSE:NIFTY50-INDEX") is None


def test_packaged_list_is_for_paper_only_and_its_names_are_canonical() -> None:
    paper = load_instruments(MANIFEST.addresses(Environment.PAPER, "http://127.0.0.1:9701"))
    live = load_instruments(MANIFEST.addresses(Environment.LIVE, None))

    assert paper.find("NSE:SBIN") is not None
    assert live.find("NSE:SBIN") is None
    for name in ("NSE:M&M", "NFO:NIFTY:2026-12-29:FUT", "NFO:NIFTY:2026-12-29:24500:CE"):
        assert paper.find(name) is not None
        assert str(parse_instrument(name)) == name


def test_derivatives_on_a_share_are_known_where_one_is_listed() -> None:
    instruments = FyersInstruments(ROWS)

    assert instruments.has_derivatives("NIFTY") is True
    # A derivative of another market makes no share close early, and a list may lack some.
    assert instruments.has_derivatives("CRUDEOIL") is None
    assert instruments.has_derivatives("SBIN") is None
