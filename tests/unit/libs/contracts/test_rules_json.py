"""Which sizings are taken."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.contracts.rules_json import check_sizing
from libs.runtime.problems import Problem
from libs.trading.follows import Sizing, SizingMode


def multiplier(value: str | Decimal) -> Sizing:
    return Sizing(mode=SizingMode.MULTIPLIER, value=Decimal(value))


def fixed(value: str | int) -> Sizing:
    return Sizing(mode=SizingMode.FIXED_QUANTITY, value=Decimal(value))


@given(st.decimals(min_value="0.0001", max_value=100, places=4))
def test_every_multiplier_within_bounds_is_taken(value: Decimal) -> None:
    check_sizing(multiplier(value))


@given(st.integers(min_value=1, max_value=1_000_000))
def test_every_whole_quantity_within_bounds_is_taken(value: int) -> None:
    check_sizing(fixed(value))


def money(value: str, mode: SizingMode = SizingMode.FIXED_VALUE) -> Sizing:
    return Sizing(mode=mode, value=Decimal(value))


@given(st.decimals(min_value="0.01", max_value=100_000_000, places=2))
def test_every_value_of_rupees_within_bounds_is_taken(value: Decimal) -> None:
    check_sizing(money(str(value)))


@given(st.decimals(min_value="0.0001", max_value=100, places=4))
def test_every_percentage_and_every_factor_within_bounds_is_taken(value: Decimal) -> None:
    check_sizing(money(str(value), SizingMode.FUNDS_SHARE))
    check_sizing(money(str(value), SizingMode.EQUITY_PROPORTIONAL))


@pytest.mark.parametrize(
    "sizing",
    [
        money("0"),
        money("100000000.01"),
        money("0.001"),
        money("100.01", SizingMode.FUNDS_SHARE),
        money("0", SizingMode.FUNDS_SHARE),
        money("100.5", SizingMode.EQUITY_PROPORTIONAL),
        multiplier("0"),
        multiplier("100.0001"),
        multiplier("0.00001"),
        multiplier("1.23456"),
        fixed(0),
        fixed("1.5"),
        fixed(1_000_001),
    ],
)
def test_others_are_refused_with_the_bounds(sizing: Sizing) -> None:
    with pytest.raises(Problem) as caught:
        check_sizing(sizing)

    assert caught.value.field == "sizing.value"
    assert "must be" in caught.value.message


def test_zeros_at_the_end_are_no_decimals() -> None:
    check_sizing(multiplier("1.50000000"))
    check_sizing(fixed("25.00"))
