"""One name per instrument, the same at every broker: `NSE:SBIN`, `NFO:NIFTY:2026-12-29:24500:CE`.

Exchanges are NSE and BSE (cash), NFO and BFO (equity derivatives), CDS and BCD (currency), MCX.
"""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal, InvalidOperation
from enum import StrEnum

CASH_EXCHANGES = frozenset({"NSE", "BSE"})
DERIVATIVE_EXCHANGES = frozenset({"NFO", "BFO", "CDS", "BCD", "MCX"})
_UNDERLYINGS = {"CDS": "CURRENCY", "BCD": "CURRENCY", "MCX": "COMMODITY"}


class InstrumentKind(StrEnum):
    CASH = "CASH"
    FUTURE = "FUT"
    CALL = "CE"
    PUT = "PE"


class Segment(StrEnum):
    """What followers tell apart; futures and options are those on shares and indices."""

    EQUITY = "EQUITY"
    FUTURES = "FUTURES"
    OPTIONS = "OPTIONS"
    CURRENCY = "CURRENCY"
    COMMODITY = "COMMODITY"


class InstrumentClass(StrEnum):
    """What brokers and exchanges make different rules for."""

    CASH = "CASH"
    INDEX_FUTURE = "INDEX_FUTURE"
    STOCK_FUTURE = "STOCK_FUTURE"
    INDEX_OPTION = "INDEX_OPTION"
    STOCK_OPTION = "STOCK_OPTION"
    CURRENCY_FUTURE = "CURRENCY_FUTURE"
    CURRENCY_OPTION = "CURRENCY_OPTION"
    COMMODITY_FUTURE = "COMMODITY_FUTURE"
    COMMODITY_OPTION = "COMMODITY_OPTION"


@dataclass(frozen=True, slots=True, kw_only=True)
class Instrument:
    """What trading needs to know of one instrument. `lot_size` is the quantity step.

    `freeze_quantity` is the most that one order may ask for, `on_index` says that its underlying
    is an index and no share.
    """

    name: str
    lot_size: int = 1
    tick_size: Decimal = Decimal("0.05")
    freeze_quantity: int | None = None
    on_index: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class InstrumentName:
    exchange: str
    underlying: str
    kind: InstrumentKind = InstrumentKind.CASH
    expiry: date | None = None
    strike: Decimal | None = None

    def __str__(self) -> str:
        parts = [self.exchange, self.underlying]
        if self.expiry:
            parts.append(self.expiry.isoformat())
        if self.strike is not None:
            parts.append(f"{self.strike.normalize():f}")
        if self.kind is not InstrumentKind.CASH:
            parts.append(self.kind.value)
        return ":".join(parts)

    @property
    def segment(self) -> Segment:
        if self.exchange in CASH_EXCHANGES:
            return Segment.EQUITY
        if self.exchange in {"CDS", "BCD"}:
            return Segment.CURRENCY
        if self.exchange == "MCX":
            return Segment.COMMODITY
        return Segment.FUTURES if self.kind is InstrumentKind.FUTURE else Segment.OPTIONS


def parse_instrument(name: str) -> InstrumentName:
    """Read a canonical name. Raise `ValueError` with what is wrong and an example."""
    parts = name.split(":")
    if len(parts) == 2 and parts[0] in CASH_EXCHANGES and parts[1]:
        return InstrumentName(exchange=parts[0], underlying=parts[1])
    if len(parts) in {4, 5} and parts[0] in DERIVATIVE_EXCHANGES and parts[1]:
        return _derivative(name, parts)
    raise ValueError(f"{name!r} is not an instrument, write NSE:SBIN or NFO:NIFTY:2026-12-29:FUT")


def names_above(name: str) -> frozenset[str]:
    """List the name and what it is written below: `NFO:NIFTY`, then its expiry, and so on."""
    parts = name.split(":")
    return frozenset(":".join(parts[:length]) for length in range(2, len(parts) + 1))


def class_of(instrument: Instrument) -> InstrumentClass:
    name = parse_instrument(instrument.name)
    if name.kind is InstrumentKind.CASH:
        return InstrumentClass.CASH
    underlying = _UNDERLYINGS.get(name.exchange) or ("INDEX" if instrument.on_index else "STOCK")
    kind = "FUTURE" if name.kind is InstrumentKind.FUTURE else "OPTION"
    return InstrumentClass(f"{underlying}_{kind}")


def _derivative(name: str, parts: list[str]) -> InstrumentName:
    try:
        expiry = date.fromisoformat(parts[2])
        kind = InstrumentKind(parts[-1])
        strike = Decimal(parts[3]) if len(parts) == 5 else None
    except (ValueError, InvalidOperation) as error:
        raise ValueError(
            f"{name!r} is not a derivative, write NFO:NIFTY:2026-12-29:24500:CE"
        ) from error
    if (strike is None) != (kind is InstrumentKind.FUTURE) or kind is InstrumentKind.CASH:
        raise ValueError(f"{name!r}: a future has no strike, an option has one")
    return InstrumentName(
        exchange=parts[0], underlying=parts[1], kind=kind, expiry=expiry, strike=strike
    )
