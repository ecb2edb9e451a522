"""The worst price of a protected order: inside its band, on the tick, within the day's limits."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.trading.instruments import InstrumentClass
from libs.trading.orders import OrderType, Side
from libs.trading.protection import Band, Protection, worst_price

TICK = Decimal("0.05")
ONE_PERCENT = Band(basis_points=100)
STEPS = (
    Band(rupees=Decimal("1.5"), price_max=Decimal(10)),
    Band(basis_points=1500, price_max=Decimal(20)),
    Band(basis_points=1000),
)
PROTECTION = Protection(
    order_types=frozenset({OrderType.MARKET}), bands={InstrumentClass.STOCK_OPTION: STEPS}
)
ticks = st.sampled_from([Decimal(it) for it in ("0.0025", "0.01", "0.05", "0.10", "1.00", "5.00")])
bands = st.builds(
    Band,
    basis_points=st.integers(0, 4000),
    rupees=st.decimals(0, 100, places=2, allow_nan=False),
)


@pytest.mark.parametrize(
    ("side", "price", "expected"),
    [
        (Side.BUY, "812.50", "820.60"),  # 820.625: never dearer than the band.
        (Side.SELL, "812.50", "804.40"),  # 804.375: never cheaper.
        (Side.BUY, "0.05", "0.05"),
        (Side.SELL, "0.05", "0.05"),
    ],
)
def test_price_is_rounded_towards_the_market(side: Side, price: str, expected: str) -> None:
    assert worst_price(side, Decimal(price), ONE_PERCENT, TICK) == Decimal(expected)


@pytest.mark.parametrize(
    ("side", "lower", "upper", "expected"),
    [
        (Side.BUY, "100", "819.98", "819.95"),
        (Side.SELL, "805.01", "900", "805.05"),
        (Side.BUY, "830.02", "900", "830.05"),  # The market is outside: the limits decide.
        (Side.SELL, "100", "790.03", "790.00"),
    ],
)
def test_day_limits_bound_it(side: Side, lower: str, upper: str, expected: str) -> None:
    limits = {"lower_limit": Decimal(lower), "upper_limit": Decimal(upper)}

    assert worst_price(side, Decimal("812.50"), ONE_PERCENT, TICK, **limits) == Decimal(expected)


def test_way_out_of_something_nearly_worthless_has_a_price() -> None:
    assert worst_price(Side.SELL, Decimal("0.60"), STEPS[0], TICK) == TICK


@pytest.mark.parametrize(
    ("price", "width"), [("10", "1.5"), ("10.05", "1.5075"), ("20", "3"), ("20.05", "2.005")]
)
def test_band_is_chosen_by_the_price(price: str, width: str) -> None:
    band = PROTECTION.band(InstrumentClass.STOCK_OPTION, Decimal(price))

    assert band is not None
    assert band.width(Decimal(price)) == Decimal(width)


def test_class_without_a_band_has_none() -> None:
    assert PROTECTION.band(InstrumentClass.CASH, Decimal(10)) is None


@given(
    side=st.sampled_from(Side),
    steps=st.integers(1, 1_000_000),
    tick=ticks,
    band=bands,
    percent=st.integers(1, 95),
)
def test_worst_price_keeps_every_bound(
    side: Side, steps: int, tick: Decimal, band: Band, percent: int
) -> None:
    price = steps * tick
    lower, upper = price * (100 - percent) / 100, price * (100 + percent) / 100

    worst = worst_price(side, price, band, tick, lower_limit=lower, upper_limit=upper)

    assert worst % tick == 0
    assert worst > 0
    assert max(lower, tick) <= worst <= upper
    assert abs(worst - price) <= band.width(price)
    # It never asks for less than the market gives already.
    assert (worst - price) * side.sign >= 0
