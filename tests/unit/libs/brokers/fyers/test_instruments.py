"""Names and symbols by the keys of the symbol master; what is not clear is not found."""

from decimal import Decimal
from typing import Any

import pytest

from libs.brokers.errors import AnswerUnreadable
from libs.brokers.fyers.instruments import FyersInstruments, load_instruments
from libs.brokers.fyers.manifest import MANIFEST
from libs.trading.accounts import Environment
from libs.trading.instruments import Instrument, InstrumentClass, class_of, parse_instrument
from tests.unit.libs.brokers.fyers.payloads import payload

MASTER: dict[str, dict[str, Any]] = payload("symbol_master")
ROWS = list(MASTER.values())
SHARE, INDEX = MASTER["NSE:SBIN-EQ"], MASTER["NSE:NIFTY50-INDEX"]
FUTURE, OPTION = MASTER["NSE:NIFTY26SEPFUT"], MASTER["NSE:NIFTY26SEP29200CE"]


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


@pytest.mark.parametrize(
    "expected",
    [
        Instrument(name="NSE:SBIN", tick_size=Decimal("0.1"), freeze_quantity=1_500_000),
        Instrument(
            name="NFO:NIFTY:2026-09-29:FUT",
            lot_size=65,
            tick_size=Decimal("0.1"),
            freeze_quantity=1800,
            on_index=True,
        ),
        Instrument(
            name="NFO:NIFTY:2026-09-29:29200:CE",
            lot_size=65,
            tick_size=Decimal("0.05"),
            freeze_quantity=1800,
            on_index=True,
        ),
        Instrument(name="MCX:CRUDEOIL:2026-09-21:FUT", tick_size=Decimal(1), freeze_quantity=100),
    ],
    ids=lambda instrument: instrument.name,
)
def test_lot_tick_and_freeze_quantity_come_along(expected: Instrument) -> None:
    assert FyersInstruments(ROWS).find(expected.name) == expected


@pytest.mark.parametrize("freeze", ["", None, "0", 0])
def test_share_without_a_freeze_quantity_has_none(freeze: object) -> None:
    found = FyersInstruments([SHARE | {"qtyFreeze": freeze}]).find("NSE:SBIN")

    assert found is not None
    assert found.freeze_quantity is None


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        (SHARE, InstrumentClass.CASH),
        (FUTURE, InstrumentClass.INDEX_FUTURE),
        (FUTURE | {"exInstType": 13}, InstrumentClass.STOCK_FUTURE),
        (OPTION, InstrumentClass.INDEX_OPTION),
        (OPTION | {"exInstType": 15}, InstrumentClass.STOCK_OPTION),
        (FUTURE | {"segment": 12, "exInstType": 16}, InstrumentClass.CURRENCY_FUTURE),
        (MASTER["MCX:CRUDEOIL26SEPFUT"], InstrumentClass.COMMODITY_FUTURE),
        # An index of commodities has the type number of an index of shares.
        (
            MASTER["MCX:CRUDEOIL26SEPFUT"] | {"exInstType": 11},
            InstrumentClass.COMMODITY_FUTURE,
        ),
    ],
)
def test_class_is_that_of_the_underlying(row: dict[str, Any], expected: InstrumentClass) -> None:
    instruments = FyersInstruments([row])
    name = instruments.name_of(row["symTicker"])

    assert name is not None
    found = instruments.find(name)
    assert found is not None
    assert class_of(found) is expected


@pytest.mark.parametrize("key", ["minLotSize", "tickSize"])
def test_contract_without_its_steps_is_not_traded(key: str) -> None:
    assert FyersInstruments([SHARE | {key: 0}]).find("NSE:SBIN") is None
    with pytest.raises(AnswerUnreadable):
        FyersInstruments([SHARE | {key: "many"}])


def test_index_cannot_be_traded() -> None:
    instruments = FyersInstruments(ROWS)

    assert instruments.find("NSE:NIFTY") is None
    assert instruments.name_of("NSE:NIFTY50-INDEX") is None


def test_name_that_two_symbols_claim_is_nobodys() -> None:
    other_series = SHARE | {"symTicker": "NSE:SBIN-BL"}
    instruments = FyersInstruments([*ROWS, other_series])

    assert instruments.find("NSE:SBIN") is None
    assert instruments.symbol_of("NSE:SBIN") is None
    assert instruments.name_of("NSE:SBIN-EQ") is None
    assert instruments.find("NFO:NIFTY:2026-09-29:FUT") is not None


def test_symbol_that_stands_for_two_names_is_not_used() -> None:
    instruments = FyersInstruments([SHARE, SHARE | {"underSym": "SBINEW"}])

    assert instruments.find("NSE:SBIN") is None
    assert instruments.find("NSE:SBINEW") is None


def test_repeated_row_is_no_contradiction() -> None:
    assert FyersInstruments([SHARE, SHARE]).find("NSE:SBIN") is not None


def test_empty_and_foreign_contracts_are_left_out() -> None:
    currency_index = INDEX | {"segment": 12}
    unknown_exchange = SHARE | {"exchange": 99}
    nameless = SHARE | {"underSym": ""}

    instruments = FyersInstruments([{}, currency_index, unknown_exchange, nameless])

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
