"""No sequence of entries ever goes over a limit: what was planned counts for the next decision."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from libs.trading.entries import Entry, Standing
from libs.trading.instruments import Instrument
from libs.trading.limits import NO_LIMITS, Limits
from libs.trading.orders import Product, Side
from libs.trading.reasons import Refusal
from libs.trading.risk import decide
from tests.unit.libs.trading.test_risk import FLAT, SAME, an_entry


def after(standing: Standing, entry: Entry, slices: tuple[int, ...]) -> Standing:
    """Count in an entry that was planned, as the executor's standings do."""
    held = standing.held(entry) or 0
    net = held + entry.side.sign * sum(slices)
    return replace(
        standing,
        positions={**(standing.positions or {}), (entry.instrument.name, entry.product): net},
        open_positions=(standing.open_positions or 0) + (held == 0),
        orders_today=(standing.orders_today or 0) + len(slices),
    )


wanted = st.builds(
    an_entry,
    st.sampled_from(["NSE:SBIN", "NSE:TCS", "BSE:SBIN"]),
    side=st.sampled_from(Side),
    product=st.sampled_from([Product.INTRADAY, Product.DELIVERY]),
    quantity=st.integers(min_value=1, max_value=200),
    price=st.decimals(min_value="0.05", max_value=5_000, places=2),
    instrument=st.builds(
        Instrument,
        name=st.sampled_from(["NSE:SBIN", "NSE:TCS", "BSE:SBIN"]),
        lot_size=st.integers(min_value=1, max_value=5),
        freeze_quantity=st.none() | st.integers(min_value=5, max_value=100),
    ),
)
counts = st.integers(min_value=0, max_value=6)
bounds = st.builds(
    Limits,
    order_quantity_max=st.none() | st.integers(min_value=50, max_value=200),
    order_value_max=st.none() | st.decimals(min_value=50_000, max_value=500_000, places=2),
    open_positions_max=st.none() | counts,
    orders_per_day_max=st.none() | counts,
    short_allowed=st.booleans(),
)


counted = st.builds(Limits, open_positions_max=st.none() | counts, orders_per_day_max=counts)


@given(
    entries=st.lists(wanted, min_size=6, max_size=12),
    limits=bounds | counted,
    account_limits=st.just(NO_LIMITS) | bounds,
)
def test_no_sequence_of_entries_ever_goes_over_a_limit(
    entries: list[Entry], limits: Limits, account_limits: Limits
) -> None:
    standing, sent = FLAT, []
    for entry in entries:
        slices = decide(
            entry, SAME, limits, account=standing, follow=standing, account_limits=account_limits
        )
        if not isinstance(slices, Refusal):
            standing = after(standing, entry, slices)
            sent.append((entry, slices))

    for each in (limits, account_limits):
        net: dict[tuple[str, Product], int] = {}
        for entry, slices in sent:
            quantity, lot = sum(slices), entry.instrument.lot_size
            key = (entry.instrument.name, entry.product)
            net[key] = net.get(key, 0) + entry.side.sign * quantity
            assert all(piece % lot == 0 for piece in slices)
            assert each.order_quantity_max is None or quantity <= each.order_quantity_max
            value = quantity * (entry.price or 0)
            assert each.order_value_max is None or value <= each.order_value_max
            assert limits.short_allowed or entry.side is Side.BUY or net[key] >= 0
        opened = sum(1 for quantity in net.values() if quantity)
        orders = sum(len(slices) for _, slices in sent)
        assert each.open_positions_max is None or opened <= each.open_positions_max
        assert each.orders_per_day_max is None or orders <= each.orders_per_day_max
