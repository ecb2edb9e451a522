"""Which sizings a follower may choose. How they are applied is libs/trading/sizing.py."""

from decimal import Decimal

from libs.trading.follows import Sizing, SizingMode
from services.signal import refusals

MULTIPLIER_MAX = 100
MULTIPLIER_DECIMALS = 4
FIXED_QUANTITY_MAX = 1_000_000
FIXED_VALUE_MAX = 100_000_000
FIXED_VALUE_DECIMALS = 2
FUNDS_SHARE_MAX = 100


def check_sizing(sizing: Sizing) -> None:
    """Raise `Problem` when the value does not suit its mode."""
    problem = _problem(sizing)
    if problem:
        raise refusals.invalid("sizing.value", problem)


def _problem(sizing: Sizing) -> str | None:
    match sizing.mode:
        case SizingMode.FIXED_QUANTITY:
            whole = sizing.value == sizing.value.to_integral_value()
            if not whole or not 1 <= sizing.value <= FIXED_QUANTITY_MAX:
                return f'must be a whole number from 1 to {FIXED_QUANTITY_MAX}, as "25"'
            return None
        case SizingMode.FIXED_VALUE:
            return _outside(
                sizing.value, "rupees per order", FIXED_VALUE_MAX, FIXED_VALUE_DECIMALS, "25000"
            )
        case SizingMode.FUNDS_SHARE:
            return _outside(
                sizing.value, "percent of your funds", FUNDS_SHARE_MAX, MULTIPLIER_DECIMALS, "5"
            )
        case SizingMode.MULTIPLIER | SizingMode.EQUITY_PROPORTIONAL:
            return _outside(sizing.value, "a factor", MULTIPLIER_MAX, MULTIPLIER_DECIMALS, "0.5")


def _outside(value: Decimal, what: str, most: int, decimals: int, example: str) -> str | None:
    if 0 < value <= most and _decimals(value) <= decimals:
        return None
    return (
        f"must be {what}, above 0 and at most {most}, "
        f'with up to {decimals} decimals, as "{example}"'
    )


def _decimals(value: Decimal) -> int:
    exponent = value.normalize().as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0
