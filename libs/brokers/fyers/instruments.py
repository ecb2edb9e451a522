"""Our instruments to FYERS symbols and back, by the keys of FYERS's symbol master.

FYERS API v3 reference, symbol master (JSON, by symbol; unlike the CSV one it has the freeze
quantity). Symbols are never taken apart: `NIFTY2670724350CE` has more than one reading.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import orjson

from libs.brokers.fyers.wire.values import decimal_of, whole_of
from libs.brokers.protocol import BrokerAddresses
from libs.trading.accounts import Environment
from libs.trading.calendar import trading_day
from libs.trading.instruments import (
    Instrument,
    InstrumentKind,
    InstrumentName,
    parse_instrument,
)

_PACKAGED = Path(__file__).with_name("instruments.json")

# (exchange, segment) codes; an index has the segment of shares and cannot be bought.
_EXCHANGES = {
    (10, 10): "NSE",
    (12, 10): "BSE",
    (10, 11): "NFO",
    (12, 11): "BFO",
    (10, 12): "CDS",
    (12, 12): "BCD",
    (11, 20): "MCX",
}
_EQUITY_DERIVATIVES = frozenset({"NFO", "BFO"})
_CASH_SEGMENT = 10
_SHARE_TYPES = frozenset({0, 9})  # Equity and ETF.
_INDEX_TYPES = frozenset({11, 12, 14})  # FUTIDX, FUTIVX and OPTIDX, of the segment of shares.
_KINDS = {"XX": InstrumentKind.FUTURE, "CE": InstrumentKind.CALL, "PE": InstrumentKind.PUT}


class FyersInstruments:
    """Instruments in memory. What two rows claim is nobody's: it is not found."""

    def __init__(self, rows: Iterable[Mapping[str, Any]]) -> None:
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
    return FyersInstruments(orjson.loads(_PACKAGED.read_bytes()).values())


def _read(row: Mapping[str, Any]) -> tuple[Instrument, str] | None:
    """Read one contract; None for what cannot be traded under a name of ours."""
    name = _name(row)
    lot_size, tick_size = whole_of(row.get("minLotSize")), decimal_of(row.get("tickSize"))
    if name is None or lot_size <= 0 or tick_size <= 0:
        return None
    instrument = Instrument(
        name=str(name),
        lot_size=lot_size,
        tick_size=tick_size,
        freeze_quantity=whole_of(row.get("qtyFreeze")) or None,
        on_index=name.exchange in _EQUITY_DERIVATIVES and row.get("exInstType") in _INDEX_TYPES,
    )
    return instrument, str(row["symTicker"])


def _name(row: Mapping[str, Any]) -> InstrumentName | None:
    exchange = _EXCHANGES.get((row.get("exchange", 0), row.get("segment", 0)))
    underlying = str(row.get("underSym") or "")
    if exchange is None or not underlying or not row.get("symTicker"):
        return None
    if row["segment"] == _CASH_SEGMENT:
        if row.get("exInstType") not in _SHARE_TYPES:
            return None
        return InstrumentName(exchange=exchange, underlying=underlying)
    kind = _KINDS.get(str(row.get("optType")))
    expiry = whole_of(row.get("expiryDate"))
    if kind is None or not expiry:
        return None
    return InstrumentName(
        exchange=exchange,
        underlying=underlying,
        kind=kind,
        expiry=trading_day(datetime.fromtimestamp(expiry, UTC)),
        strike=None if kind is InstrumentKind.FUTURE else decimal_of(row.get("strikePrice")),
    )
