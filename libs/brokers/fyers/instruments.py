"""Our instruments to FYERS symbols and back, by the columns of FYERS's symbol master.

FYERS API v3 reference, symbol master (CSV, 21 columns, no header row). Symbols are never taken
apart: `NIFTY2670724350CE` has more than one reading.
"""

import csv
from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime
from decimal import Decimal
from functools import cache
from pathlib import Path

from libs.brokers.protocol import BrokerAddresses
from libs.trading.accounts import Environment
from libs.trading.calendar import trading_day
from libs.trading.instruments import (
    Instrument,
    InstrumentKind,
    InstrumentName,
    parse_instrument,
)

_PACKAGED = Path(__file__).with_name("instruments.csv")

# Columns.
_TYPE, _LOT, _TICK, _EXPIRY, _SYMBOL, _EXCHANGE, _SEGMENT = 2, 3, 4, 8, 9, 10, 11
_UNDERLYING, _STRIKE, _OPTION = 13, 15, 16
_COLUMNS_MIN = 17

# (exchange, segment) codes; an index has the segment of shares and cannot be bought.
_EXCHANGES = {
    ("10", "10"): "NSE",
    ("12", "10"): "BSE",
    ("10", "11"): "NFO",
    ("12", "11"): "BFO",
    ("10", "12"): "CDS",
    ("12", "12"): "BCD",
    ("11", "20"): "MCX",
}
_EQUITY_DERIVATIVES = frozenset({"NFO", "BFO"})
_CASH_SEGMENT = "10"
_SHARE_TYPES = frozenset({"0", "9"})  # Equity and ETF.
_KINDS = {"XX": InstrumentKind.FUTURE, "CE": InstrumentKind.CALL, "PE": InstrumentKind.PUT}


class FyersInstruments:
    """Instruments in memory. What two rows claim is nobody's: it is not found."""

    def __init__(self, rows: Iterable[list[str]]) -> None:
        found = {(one.name, symbol): one for one, symbol in filter(None, map(_read, rows))}
        names = Counter(name for name, _ in found)
        symbols = Counter(symbol for _, symbol in found)
        clear = [key for key in found if names[key[0]] == 1 and symbols[key[1]] == 1]
        self._instruments = {key[0]: found[key] for key in clear}
        self._symbols = dict(clear)
        self._names = {symbol: name for name, symbol in clear}
        names_found = (parse_instrument(name) for name in self._instruments)
        self._with_derivatives = {
            name.underlying for name in names_found if name.exchange in _EQUITY_DERIVATIVES
        }

    def find(self, name: str) -> Instrument | None:
        return self._instruments.get(name)

    def has_derivatives(self, underlying: str) -> bool | None:
        # The packaged list is a part of the broker's: what is not here may be there.
        return True if underlying in self._with_derivatives else None

    def symbol_of(self, name: str) -> str | None:
        """Spell our name the broker's way. None when unknown or ambiguous."""
        return self._symbols.get(name)

    def name_of(self, symbol: str) -> str | None:
        """Name what the broker spells so. None when unknown or ambiguous."""
        return self._names.get(symbol)


def load_instruments(addresses: BrokerAddresses) -> FyersInstruments:
    """Open the instruments of an environment.

    Paper knows the packaged list. Live knows none until the daily masters are downloaded, so
    nothing can be entered there by a stale list.
    """
    return _packaged() if addresses.environment is Environment.PAPER else FyersInstruments(())


@cache
def _packaged() -> FyersInstruments:
    with _PACKAGED.open(encoding="utf-8", newline="") as file:
        return FyersInstruments(csv.reader(file))


def _read(row: list[str]) -> tuple[Instrument, str] | None:
    """Read one row; None for what cannot be traded under a name of ours."""
    if len(row) < _COLUMNS_MIN:
        return None
    name = _name(row)
    if name is None:
        return None
    instrument = Instrument(name=str(name), lot_size=int(row[_LOT]), tick_size=Decimal(row[_TICK]))
    return instrument, row[_SYMBOL]


def _name(row: list[str]) -> InstrumentName | None:
    exchange = _EXCHANGES.get((row[_EXCHANGE], row[_SEGMENT]))
    if exchange is None:
        return None
    if row[_SEGMENT] == _CASH_SEGMENT:
        if row[_TYPE] not in _SHARE_TYPES:
            return None
        return InstrumentName(exchange=exchange, underlying=row[_UNDERLYING])
    kind = _KINDS.get(row[_OPTION])
    if kind is None or not row[_EXPIRY]:
        return None
    return InstrumentName(
        exchange=exchange,
        underlying=row[_UNDERLYING],
        kind=kind,
        expiry=trading_day(datetime.fromtimestamp(int(row[_EXPIRY]), UTC)),
        strike=None if kind is InstrumentKind.FUTURE else Decimal(row[_STRIKE]),
    )
