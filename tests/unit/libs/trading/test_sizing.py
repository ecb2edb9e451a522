"""How many a follower gets: whole lots, never more than the share, never a guess."""

import itertools
from collections.abc import Mapping
from dataclasses import replace
from decimal import Context, Decimal
from fractions import Fraction
from math import floor
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.trading.entries import Entry, Standing, entry_of
from libs.trading.follows import Sizing, SizingMode, WhenSmall
from libs.trading.instruments import Instrument
from libs.trading.orders import OrderType
from libs.trading.quotes import Quote
from libs.trading.reasons import Refusal, SkipReason
from libs.trading.sizing import (
    MOVES_WITH_MASTER,
    SLICES_MAX,
    part_of,
    sized,
    sliced,
)
from tests.factories import NOON, a_signal, some_terms

WELL_KNOWN = Standing(funds=Decimal(100_000), equity=Decimal(250_000))


def an_entry(*, lot: int = 1, freeze: int | None = None, **changes: Any) -> Entry:
    """Let the master buy 10 at 812.50 and be worth a million."""
    instrument = Instrument(name="NSE:SBIN", lot_size=lot, freeze_quantity=freeze)
    entry = entry_of(a_signal(master_equity=Decimal(1_000_000)), instrument, at=NOON)
    return replace(entry, **changes)


def a_sizing(mode: SizingMode, value: object, when_small: WhenSmall = WhenSmall.SKIP) -> Sizing:
    return Sizing(mode=mode, value=Decimal(str(value)), when_small=when_small)


def part(after: int, *, before: int = 0, of: int, order: int = 10, lot: int = 1) -> int | None:
    entry = an_entry(lot=lot, quantity=order, filled_before=before, filled_after=after)
    answer = part_of(entry, of)
    return None if isinstance(answer, Refusal) else answer


def test_a_fill_is_copied_by_its_share_of_the_whole_order() -> None:
    assert part(4, of=20) == 8
    assert part(10, before=4, of=20) == 12


def test_parts_that_are_less_than_a_lot_come_with_a_later_fill() -> None:
    assert [part(n + 1, before=n, of=3) for n in range(10)] == [
        None, None, None, 1, None, None, 1, None, None, 1,
    ]  # fmt: skip
    assert part(9, of=75, lot=75) is None
    assert part(10, before=9, of=75, lot=75) == 75


def test_a_part_that_is_too_small_says_so_in_figures() -> None:
    answer = part_of(an_entry(quantity=10, filled_after=2), 3)

    assert answer == Refusal(SkipReason.TOO_SMALL, {"wanted": "0.6", "unit": "share", "lot": "1"})


@given(
    cuts=st.lists(st.integers(1, 50), min_size=1, max_size=8),
    whole=st.integers(1, 200),
    lot=st.sampled_from([1, 5, 75]),
)
def test_however_a_market_fills_the_master_all_parts_make_the_whole(
    cuts: list[int], whole: int, lot: int
) -> None:
    order = sum(cuts)
    done = list(itertools.accumulate(cuts, initial=0))

    parts = [
        part(after, before=before, of=whole * lot, order=order, lot=lot) or 0
        for before, after in itertools.pairwise(done)
    ]

    assert sum(parts) == whole * lot


@pytest.mark.parametrize(
    ("mode", "value", "lot", "quantity"),
    [
        (SizingMode.MULTIPLIER, "0.55", 1, 5),
        (SizingMode.MULTIPLIER, "2", 4, 20),
        (SizingMode.FIXED_QUANTITY, "7", 1, 7),
        (SizingMode.FIXED_QUANTITY, "7", 3, 6),
        (SizingMode.FIXED_VALUE, "20000", 1, 24),
        (SizingMode.FIXED_VALUE, "20000", 5, 20),
        (SizingMode.FUNDS_SHARE, "5", 1, 6),
        (SizingMode.EQUITY_PROPORTIONAL, "1", 1, 2),
        (SizingMode.EQUITY_PROPORTIONAL, "2", 1, 5),
    ],
)
def test_each_mode_has_its_own_way(mode: SizingMode, value: str, lot: int, quantity: int) -> None:
    assert sized(an_entry(lot=lot), a_sizing(mode, value), WELL_KNOWN) == quantity


@pytest.mark.parametrize(
    ("mode", "reason", "entry", "standing"),
    [
        (SizingMode.FIXED_VALUE, SkipReason.NO_PRICE, {"price": None}, {}),
        (SizingMode.FIXED_VALUE, SkipReason.NO_PRICE, {"price": Decimal(0)}, {}),
        (SizingMode.FUNDS_SHARE, SkipReason.NO_PRICE, {"price": None}, {}),
        (SizingMode.FUNDS_SHARE, SkipReason.FUNDS_UNKNOWN, {}, {"funds": None}),
        (SizingMode.FUNDS_SHARE, SkipReason.TOO_SMALL, {}, {"funds": Decimal(-1)}),
        (SizingMode.EQUITY_PROPORTIONAL, SkipReason.EQUITY_UNKNOWN, {}, {"equity": None}),
        (SizingMode.EQUITY_PROPORTIONAL, SkipReason.TOO_SMALL, {}, {"equity": Decimal(0)}),
        (
            SizingMode.EQUITY_PROPORTIONAL,
            SkipReason.MASTER_EQUITY_UNKNOWN,
            {"master_equity": None},
            {},
        ),
        (
            SizingMode.EQUITY_PROPORTIONAL,
            SkipReason.MASTER_EQUITY_UNKNOWN,
            {"master_equity": Decimal(0)},
            {},
        ),
    ],
)
@pytest.mark.parametrize("when_small", WhenSmall)
def test_a_missing_figure_is_a_refusal_even_where_one_lot_would_do(
    mode: SizingMode,
    reason: SkipReason,
    entry: Mapping[str, Any],
    standing: Mapping[str, Any],
    when_small: WhenSmall,
) -> None:
    answer = sized(
        an_entry(**entry), a_sizing(mode, 1, when_small), replace(WELL_KNOWN, **standing)
    )

    assert isinstance(answer, Refusal)
    assert answer.reason is reason


def test_less_than_a_lot_is_refused_with_the_figures_or_raised_to_one_lot() -> None:
    small = a_sizing(SizingMode.MULTIPLIER, "0.33")

    refused = sized(an_entry(lot=75), small, WELL_KNOWN)
    raised = sized(an_entry(lot=75), replace(small, when_small=WhenSmall.ONE_LOT), WELL_KNOWN)

    assert refused == (SkipReason.TOO_SMALL, {"wanted": "3.3", "unit": "share", "lot": "75"})
    assert raised == 75


money = st.decimals(min_value="0.01", max_value=10**12, places=2)
prices = st.decimals(min_value="0.0001", max_value=200_000, places=4)
factors = st.decimals(min_value="0.0001", max_value=100, places=4)
quantities = st.integers(min_value=1, max_value=10**9)
lots = st.integers(min_value=1, max_value=5_000)


def share_of(entry: Entry, sizing: Sizing, standing: Standing) -> Fraction:
    """Work out what rounding starts from, by other arithmetic than the product's."""
    value, price = Fraction(sizing.value), Fraction(entry.price or 1)
    match sizing.mode:
        case SizingMode.MULTIPLIER:
            return entry.quantity * value
        case SizingMode.FIXED_QUANTITY:
            return value
        case SizingMode.FIXED_VALUE:
            return value / price
        case SizingMode.FUNDS_SHARE:
            return Fraction(standing.funds or 0) * value / 100 / price
        case SizingMode.EQUITY_PROPORTIONAL:
            order_value = entry.quantity * price
            share = order_value / Fraction(entry.master_equity or 1)
            return share * Fraction(standing.equity or 0) * value / price


@given(
    mode=st.sampled_from(SizingMode), value=factors, when_small=st.sampled_from(WhenSmall),
    quantity=quantities, lot=lots, price=prices, funds=money, equity=money, master_equity=money,
)  # fmt: skip
def test_every_size_is_the_share_rounded_down_to_whole_lots(
    mode: SizingMode, value: Decimal, when_small: WhenSmall, quantity: int, lot: int,
    price: Decimal, funds: Decimal, equity: Decimal, master_equity: Decimal,
) -> None:  # fmt: skip
    entry = an_entry(lot=lot, quantity=quantity, price=price, master_equity=master_equity)
    sizing, standing = a_sizing(mode, value, when_small), Standing(funds=funds, equity=equity)
    share = share_of(entry, sizing, standing)

    answer = sized(entry, sizing, standing)

    expected = floor(share / lot) * lot
    if expected:
        assert answer == expected
    elif when_small is WhenSmall.ONE_LOT:
        assert answer == lot
    else:
        assert isinstance(answer, Refusal)
        assert Fraction(answer.figures["wanted"]) <= share


def test_no_product_is_rounded_up_on_its_way() -> None:
    quantity, equity, factor = 999_999_999, Decimal("999999999999.99"), Decimal("99.9999")
    nearly = Context(prec=60).multiply(quantity * equity, factor) + Decimal("0.000001")
    entry = an_entry(quantity=quantity, master_equity=nearly)

    answer = sized(entry, a_sizing(SizingMode.EQUITY_PROPORTIONAL, factor), Standing(equity=equity))

    assert isinstance(answer, Refusal)
    assert answer.figures["wanted"] == "0.9999"


def test_only_shares_of_the_masters_quantity_move_with_it() -> None:
    twice = an_entry(quantity=20)
    moved = {
        mode
        for mode in SizingMode
        if sized(an_entry(), a_sizing(mode, 50), WELL_KNOWN)
        != sized(twice, a_sizing(mode, 50), WELL_KNOWN)
    }

    assert moved == MOVES_WITH_MASTER


@given(
    count=st.integers(min_value=1, max_value=10_000),
    lot=lots,
    freeze=st.none() | st.integers(min_value=1, max_value=100_000),
)
def test_slices_sum_to_the_whole_in_whole_lots_that_are_not_frozen(
    count: int, lot: int, freeze: int | None
) -> None:
    quantity = count * lot

    answer = sliced(an_entry(lot=lot, freeze=freeze), quantity)

    if isinstance(answer, Refusal):
        assert freeze is not None
        assert freeze // lot * lot * SLICES_MAX < quantity
        return
    assert sum(answer) == quantity
    assert 1 <= len(answer) <= SLICES_MAX
    assert all(piece > 0 and piece % lot == 0 for piece in answer)
    assert freeze is None or max(answer) <= freeze


def test_a_quantity_over_the_freeze_quantity_is_cut_at_whole_lots() -> None:
    assert sliced(an_entry(lot=75, freeze=1800), 4500) == (1800, 1800, 900)
    assert sliced(an_entry(lot=75, freeze=1799), 3600) == (1725, 1725, 150)


def test_as_many_orders_as_are_allowed_are_sent() -> None:
    entry = an_entry(lot=75, freeze=1800)

    assert sliced(entry, 1800 * SLICES_MAX) == (1800,) * SLICES_MAX
    assert isinstance(sliced(entry, 1800 * SLICES_MAX + 75), Refusal)


@pytest.mark.parametrize(("quantity", "freeze"), [(1800 * 21, 1800), (75, 74)])
def test_what_would_take_too_many_orders_is_refused(quantity: int, freeze: int) -> None:
    answer = sliced(an_entry(lot=75, freeze=freeze), quantity)

    assert isinstance(answer, Refusal)
    assert answer.reason is SkipReason.TOO_MANY_SLICES
    assert answer.figures["freeze"] == str(freeze)


def test_an_order_is_reckoned_at_its_own_price_else_the_markets_else_the_masters() -> None:
    instrument = Instrument(name="NSE:SBIN")
    market = a_signal(terms=some_terms(order_type=OrderType.MARKET, limit_price=None))

    assert entry_of(a_signal(), instrument, at=NOON).price == Decimal("812.50")
    assert entry_of(market, instrument, at=NOON).price is None
    traded = replace(market, master_price=Decimal(800))
    assert entry_of(traded, instrument, at=NOON).price == Decimal(800)
    untraded = Quote(instrument="NSE:SBIN", last=Decimal(0), at=NOON)
    assert entry_of(market, instrument, at=NOON, quote=untraded).price is None
