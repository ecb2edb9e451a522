"""The symbols this simulator knows: FYERS's spelling beside ours, read from the contract file.

Keys as in the JSON masters (FYERS API v3 docs, symbol master); the CSV ones are made from them.
"""

import csv
import io
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

import orjson

from libs.trading.calendar import trading_day
from libs.trading.instruments import InstrumentKind, InstrumentName

CONTRACTS = Path(__file__).parent.parent / "instruments.json"
_FILES = {(10, 10): "NSE_CM", (10, 11): "NSE_FO"}
# The first fourteen columns of the CSV masters.
_CSV_KEYS = (
    *("fyToken", "symDetails", "exInstType", "minLotSize", "tickSize", "isin", "tradingSession"),
    *("lastUpdate", "expiryDate", "symTicker", "exchange", "segment", "exToken", "underSym"),
)
_TOKEN_FROM = 10

Contract = Mapping[str, Any]


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
    contracts: dict[str, Contract] = orjson.loads(CONTRACTS.read_bytes())
    symbols = [_symbol(contract) for contract in contracts.values()]
    files = {}
    for codes, name in _FILES.items():
        listed = {
            ticker: one
            for ticker, one in contracts.items()
            if (one["exchange"], one["segment"]) == codes
        }
        files[f"{name}_sym_master.json"] = orjson.dumps(listed)
        files[f"{name}.csv"] = _csv(listed.values())
    return Catalogue(
        by_ticker={symbol.ticker: symbol for symbol in symbols},
        by_name={symbol.name: symbol for symbol in symbols},
        files=files,
    )


def _csv(contracts: Iterable[Contract]) -> bytes:
    """Write the columns of the CSV masters; the last three are reserved."""
    lines = io.StringIO()
    csv.writer(lines, lineterminator="\n").writerows(
        (
            *(it[key] for key in _CSV_KEYS),
            it["underFyTok"][_TOKEN_FROM:],
            it["strikePrice"],
            it["optType"],
            it["underFyTok"],
            None,
            it["is_mtf_tradable"],
            it["mtf_margin"],
        )
        for it in contracts
    )
    return lines.getvalue().encode()


def _symbol(contract: Contract) -> Symbol:
    return Symbol(
        name=str(_name(contract)),
        ticker=contract["symTicker"],
        fy_token=contract["fyToken"],
        exchange=contract["exchange"],
        segment=contract["segment"],
        instrument_type=contract["exInstType"],
        description=contract["symDetails"],
        short_name=contract["underSym"],
        isin=contract["isin"],
    )


def _name(contract: Contract) -> InstrumentName:
    if contract["segment"] == 10:
        return InstrumentName(exchange="NSE", underlying=contract["underSym"])
    option = contract["optType"]
    kind = InstrumentKind.FUTURE if option == "XX" else InstrumentKind(option)
    return InstrumentName(
        exchange="NFO",
        underlying=contract["underSym"],
        kind=kind,
        expiry=trading_day(datetime.fromtimestamp(int(contract["expiryDate"]), UTC)),
        strike=None if kind is InstrumentKind.FUTURE else Decimal(str(contract["strikePrice"])),
    )
