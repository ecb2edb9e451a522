"""Limits as a column keeps them: what is written is read back, what nobody knows is refused."""

from dataclasses import fields
from datetime import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.contracts.limits_json import limits_json, limits_of
from libs.trading.instruments import Segment
from libs.trading.limits import NO_LIMITS, Limits
from libs.trading.orders import Product
from tests.factories import every_limit

money = st.none() | st.decimals(min_value="0.0001", max_value=10**9, places=4)
counts = st.none() | st.integers(min_value=1, max_value=10**9)
names = st.frozensets(st.sampled_from(["NSE:SBIN", "NFO:NIFTY", "MCX:GOLD"]))
segments = st.frozensets(st.sampled_from(Segment))
times = st.none() | st.builds(time, st.integers(0, 23), st.integers(0, 59))
limits = st.builds(
    Limits,
    order_value_max=money, order_quantity_max=counts, open_positions_max=counts,
    orders_per_day_max=counts, loss_per_day_max=money, instruments_allowed=names,
    instruments_denied=names, segments_allowed=segments, segments_denied=segments,
    products_allowed=st.frozensets(st.sampled_from(Product)), trading_from_ist=times,
    trading_until_ist=times, price_distance_bps_max=counts, short_allowed=st.booleans(),
    after_market_allowed=st.booleans(),
)  # fmt: skip


@given(limits)
def test_what_is_written_is_read_back(some: Limits) -> None:
    assert limits_of(limits_json(some)) == some


def test_nothing_is_written_of_no_limits() -> None:
    assert limits_json(NO_LIMITS) == {}
    assert limits_of({}) == NO_LIMITS


def test_every_limit_has_its_name_in_the_column() -> None:
    assert set(limits_json(every_limit())) == {field.name for field in fields(Limits) if field.init}


def test_a_limit_nobody_knows_is_refused_not_left_out() -> None:
    with pytest.raises(ValueError, match="not a limit: per_hour_max"):
        limits_of({"order_quantity_max": 5, "per_hour_max": 3})
