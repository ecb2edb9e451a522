"""The rules of follows and accounts as JSON that people send and get: sizing and limits."""

from decimal import Decimal
from typing import Annotated, Self

from pydantic import BaseModel, Field, model_validator

from libs.contracts.fields import (
    Body,
    Count,
    DecimalText,
    InstrumentNames,
    Quantity,
    Rupees,
    TimeInIndia,
)
from libs.contracts.limits_json import limits_json
from libs.runtime.problems import Problem
from libs.trading.follows import Sizing, SizingMode, WhenSmall
from libs.trading.instruments import Segment
from libs.trading.limits import Limits
from libs.trading.orders import Product

MULTIPLIER_MAX = 100
MULTIPLIER_DECIMALS = 4
FIXED_QUANTITY_MAX = 1_000_000
FIXED_VALUE_MAX = 100_000_000
FIXED_VALUE_DECIMALS = 2
FUNDS_SHARE_MAX = 100


class SizingBody(Body):
    """Which values suit a mode is judged in `check_sizing`."""

    mode: SizingMode
    value: DecimalText
    when_small: WhenSmall = WhenSmall.SKIP

    def sizing(self) -> Sizing:
        return Sizing(mode=self.mode, value=self.value, when_small=self.when_small)


class AccountLimitsBody(Body):
    """What an account may copy at most, whatever its follows allow. Exits and cancels always go.

    Money is in rupees, times are Indian. What is left out is not limited.
    """

    order_value_max: Rupees | None = None
    order_quantity_max: Quantity | None = None
    open_positions_max: Count | None = None
    orders_per_day_max: Count | None = None
    loss_per_day_max: Rupees | None = None
    instruments_allowed: InstrumentNames = frozenset()
    instruments_denied: InstrumentNames = frozenset()
    segments_allowed: frozenset[Segment] = frozenset()
    segments_denied: frozenset[Segment] = frozenset()
    products_allowed: frozenset[Product] = frozenset()
    trading_from_ist: TimeInIndia | None = None
    trading_until_ist: TimeInIndia | None = None
    price_distance_bps_max: Count | None = None

    @model_validator(mode="after")
    def _leaves_something(self) -> Self:
        opens, closes = self.trading_from_ist, self.trading_until_ist
        if opens is not None and closes is not None and opens >= closes:
            raise ValueError("trading_until_ist: must be later than trading_from_ist, as 15:00")
        for what in ("instruments", "segments"):
            allowed, denied = getattr(self, f"{what}_allowed"), getattr(self, f"{what}_denied")
            both = ", ".join(sorted(str(name) for name in allowed & denied))
            if both:
                raise ValueError(f"{what}_denied: {both} is allowed too, leave it out of one")
        return self

    def limits(self) -> Limits:
        return Limits(**{name: getattr(self, name) for name in type(self).model_fields})


class LimitsBody(AccountLimitsBody):
    """What a follow may copy at most. What is left out is not limited; exits and cancels never are.

    Money is in rupees, times are Indian. Shorts and after-market orders must be allowed here.
    """

    short_allowed: Annotated[bool, Field(strict=True)] = False
    after_market_allowed: Annotated[bool, Field(strict=True)] = False


class SizingAnswer(BaseModel):
    mode: SizingMode
    value: Decimal
    when_small: WhenSmall


class AccountLimitsAnswer(BaseModel):
    """Null and empty are no limit. Money is in rupees, times are Indian."""

    order_value_max: Decimal | None = None
    order_quantity_max: int | None = None
    open_positions_max: int | None = None
    orders_per_day_max: int | None = None
    loss_per_day_max: Decimal | None = None
    instruments_allowed: list[str] = []
    instruments_denied: list[str] = []
    segments_allowed: list[Segment] = []
    segments_denied: list[Segment] = []
    products_allowed: list[Product] = []
    trading_from_ist: str | None = None
    trading_until_ist: str | None = None
    price_distance_bps_max: int | None = None


class LimitsAnswer(AccountLimitsAnswer):
    """Null and empty are no limit. Money is in rupees, times are Indian."""

    short_allowed: bool = False
    after_market_allowed: bool = False


def sizing_answer(sizing: Sizing) -> SizingAnswer:
    return SizingAnswer(mode=sizing.mode, value=sizing.value, when_small=sizing.when_small)


def limits_answer(limits: Limits) -> LimitsAnswer:
    return LimitsAnswer.model_validate(limits_json(limits))


def account_limits_answer(limits: Limits) -> AccountLimitsAnswer:
    return AccountLimitsAnswer.model_validate(limits_json(limits))


def check_sizing(sizing: Sizing) -> None:
    """Raise `Problem` when the value does not suit its mode."""
    problem = _problem(sizing)
    if problem:
        raise Problem(422, "INVALID", f"sizing.value: {problem}", field="sizing.value")


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
