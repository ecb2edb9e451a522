"""What is traded on paper: about 25 instruments with their rules and an opening price.

Lot, tick and freeze figures follow NSE's contract files of autumn 2026 (tick by price band, NIFTY
lot 65, freeze 1,800); prices are invented. The expiry is data: move it when it has passed.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from types import MappingProxyType

from libs.trading.instruments import InstrumentKind, InstrumentName, parse_instrument

EXPIRY = "2026-12-29"


@dataclass(frozen=True, slots=True, kw_only=True)
class PaperInstrument:
    """One instrument; `opening_price` is its first last price and the middle of its circuit."""

    name: str
    parsed: InstrumentName
    opening_price: Decimal
    tick_size: Decimal
    lot_size: int = 1
    freeze_quantity: int | None = None
    circuit_percent: int = 20

    @property
    def lower_circuit(self) -> Decimal:
        return max(self._rounded(100 - self.circuit_percent, ROUND_CEILING), self.tick_size)

    @property
    def upper_circuit(self) -> Decimal:
        return self._rounded(100 + self.circuit_percent, ROUND_FLOOR)

    @property
    def is_option(self) -> bool:
        return self.parsed.kind in {InstrumentKind.CALL, InstrumentKind.PUT}

    @property
    def is_cash(self) -> bool:
        return self.parsed.kind is InstrumentKind.CASH

    def _rounded(self, percent: int, rounding: str) -> Decimal:
        steps = self.opening_price * percent / 100 / self.tick_size
        return steps.to_integral_value(rounding) * self.tick_size


def listed(name: str, price: str, tick: str = "0.05") -> PaperInstrument:
    return PaperInstrument(
        name=name,
        parsed=parse_instrument(name),
        opening_price=Decimal(price),
        tick_size=Decimal(tick),
    )


def _contract(name: str, price: str, tick: str, circuit_percent: int) -> PaperInstrument:
    return replace(
        listed(name, price, tick),
        lot_size=65,
        freeze_quantity=1800,
        circuit_percent=circuit_percent,
    )


def _nifty(strike: int) -> list[PaperInstrument]:
    prefix = f"NFO:NIFTY:{EXPIRY}"
    return [
        _contract(f"{prefix}:FUT", "24612.00", "0.10", 10),
        _contract(f"{prefix}:{strike}:CE", "412.50", "0.05", 95),
        _contract(f"{prefix}:{strike}:PE", "287.30", "0.05", 95),
    ]


BUILT_IN: Mapping[str, PaperInstrument] = MappingProxyType(
    {
        instrument.name: instrument
        for instrument in [
            listed("NSE:SBIN", "812.50"),
            listed("NSE:RELIANCE", "1468.20", "0.10"),
            listed("NSE:TCS", "3105.00", "0.10"),
            listed("NSE:INFY", "1512.60", "0.10"),
            listed("NSE:HDFCBANK", "998.40"),
            listed("NSE:ICICIBANK", "1389.70", "0.10"),
            listed("NSE:TATAMOTORS", "402.15"),
            listed("NSE:ITC", "421.30"),
            listed("NSE:AXISBANK", "1204.10", "0.10"),
            listed("NSE:KOTAKBANK", "2098.50", "0.10"),
            listed("NSE:LT", "3890.40", "0.10"),
            listed("NSE:BHARTIARTL", "2061.30", "0.10"),
            listed("NSE:HINDUNILVR", "2455.80", "0.10"),
            listed("NSE:BAJFINANCE", "1042.90", "0.10"),
            listed("NSE:MARUTI", "15890.00", "1.00"),
            listed("NSE:SUNPHARMA", "1744.30", "0.10"),
            listed("NSE:TITAN", "3812.20", "0.10"),
            listed("NSE:WIPRO", "247.85", "0.01"),
            listed("NSE:NTPC", "331.75"),
            listed("NSE:M&M", "3590.10", "0.10"),
            listed("NSE:ONGC", "248.32", "0.01"),
            listed("NSE:TATASTEEL", "171.64", "0.01"),
            listed("NSE:IDEA", "9.84", "0.01"),
            *_nifty(24500),
        ]
    }
)
