"""Which sizings a follower may choose. How they are applied is the executor's."""

from decimal import Decimal

from libs.trading.follows import Sizing, SizingMode
from services.signal import refusals

MULTIPLIER_MAX = 100
MULTIPLIER_DECIMALS = 4
FIXED_QUANTITY_MAX = 1_000_000


def check_sizing(sizing: Sizing) -> None:
    """Raise `Problem` when the value does not suit its mode."""
    problem = _problem(sizing)
    if problem:
        raise refusals.invalid("sizing.value", problem)


def _problem(sizing: Sizing) -> str | None:
    if sizing.mode is SizingMode.FIXED_QUANTITY:
        whole = sizing.value == sizing.value.to_integral_value()
        if not whole or not 1 <= sizing.value <= FIXED_QUANTITY_MAX:
            return f'must be a whole number from 1 to {FIXED_QUANTITY_MAX}, as "25"'
        return None
    if not 0 < sizing.value <= MULTIPLIER_MAX or _decimals(sizing.value) > MULTIPLIER_DECIMALS:
        return (
            f"must be above 0 and at most {MULTIPLIER_MAX}, "
            f'with up to {MULTIPLIER_DECIMALS} decimals, as "0.5"'
        )
    return None


def _decimals(value: Decimal) -> int:
    exponent = value.normalize().as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0
