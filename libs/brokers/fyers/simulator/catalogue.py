"""The symbols this simulator knows: FYERS's spelling beside ours, read from the contract file.

Columns as in the CSV masters (FYERS API v3 docs, symbol master): 0 fyToken, 1 details,
2 instrument type, 5 ISIN, 8 expiry (epoch), 9 ticker, 10 exchange, 11 segment, 13 underlying,
15 strike, 16 option type.
"""

import csv
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from functools import cache
from pathlib import Path

from libs.trading.calendar import trading_day
from libs.trading.instruments import InstrumentKind, InstrumentName

CONTRACTS = Path(__file__).parent.parent / "instruments.csv"
_FILES = {("10", "10"): "NSE_CM.csv", ("10", "11"): "NSE_FO.csv"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Symbol:
    """One contract; `name` is ours, `ticker` theirs."""

    name: str
    ticker: str
    fy_token: str
    exchange: int
    segment: int
    instrument_type: int
    description: str
    short_name: str
    isin: str

    @property
    def is_cash(self) -> bool:
        return self.segment == 10


@dataclass(frozen=True, slots=True)
class Catalogue:
    """Both ways between tickers and names, and the files they came from."""

    by_ticker: dict[str, Symbol]
    by_name: dict[str, Symbol]
    files: dict[str, bytes]


@cache
def catalogue() -> Catalogue:
    """Read the packaged contract file, once per process."""
    symbols, files = [], dict.fromkeys(_FILES.values(), b"")
    lines = CONTRACTS.read_text().splitlines()
    for line, row in zip(lines, csv.reader(lines), strict=True):
        symbols.append(_symbol(row))
        files[_FILES[row[10], row[11]]] += f"{line}\n".encode()
    return Catalogue(
        by_ticker={symbol.ticker: symbol for symbol in symbols},
        by_name={symbol.name: symbol for symbol in symbols},
        files=files,
    )


def _symbol(row: list[str]) -> Symbol:
    return Symbol(
        name=str(_name(row)),
        ticker=row[9],
        fy_token=row[0],
        exchange=int(row[10]),
        segment=int(row[11]),
        instrument_type=int(row[2]),
        description=row[1],
        short_name=row[13],
        isin=row[5],
    )


def _name(row: list[str]) -> InstrumentName:
    if row[11] == "10":
        return InstrumentName(exchange="NSE", underlying=row[13])
    kind = InstrumentKind.FUTURE if row[16] == "XX" else InstrumentKind(row[16])
    return InstrumentName(
        exchange="NFO",
        underlying=row[13],
        kind=kind,
        expiry=trading_day(datetime.fromtimestamp(int(row[8]), UTC)),
        strike=None if kind is InstrumentKind.FUTURE else Decimal(row[15]),
    )
