"""Whether limits let an entry through: never more than any of them, the first broken one said."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import time
from decimal import Decimal
from typing import Any

import pytest

from libs.trading.entries import NOTHING_KNOWN, Entry, Standing, entry_of
from libs.trading.follows import Sizing, SizingMode
from libs.trading.instruments import Instrument, Segment
from libs.trading.limits import NO_LIMITS, Limits, Rule
from libs.trading.orders import OrderType, Product, Side
from libs.trading.quotes import Quote
from libs.trading.reasons import Refusal, SkipReason, figures_of
from libs.trading.risk import Whose, change_refused, decide
from tests.factories import NOON, a_signal, every_limit

NIFTY = "NFO:NIFTY:2026-12-29:24500:CE"
SAME = Sizing(mode=SizingMode.MULTIPLIER, value=Decimal(1))
FLAT = Standing(
    funds=Decimal(100_000),
    equity=Decimal(100_000),
    positions={},
    open_positions=0,
    orders_today=0,
    loss_today=Decimal(0),
)


def an_entry(name: str = "NSE:SBIN", **changes: Any) -> Entry:
    """Let the master buy 10 at 812.50 intraday, at noon."""
    entry = entry_of(a_signal(), Instrument(name=name), at=NOON)
    return replace(entry, **changes)


def a_market_entry(last: str | None, master: str | None) -> Entry:
    return an_entry(
        order_type=OrderType.MARKET,
        last_price=Decimal(last) if last else None,
        master_price=Decimal(master) if master else None,
    )


def asked(entry: Entry, limits: Limits, standing: Standing = FLAT) -> SkipReason | None:
    answer = decide(entry, SAME, limits, account=standing, follow=standing)
    return answer.reason if isinstance(answer, Refusal) else None


# Limits, what is asked, how things stand, and whether that is within them.
CASES: list[tuple[Mapping[str, Any], Entry, Standing, SkipReason | None]] = [
    ({"order_quantity_max": 10}, an_entry(), FLAT, None),
    ({"order_quantity_max": 9}, an_entry(), FLAT, SkipReason.ORDER_QUANTITY),
    ({"order_value_max": Decimal(8125)}, an_entry(), FLAT, None),
    ({"order_value_max": Decimal("8124.99")}, an_entry(), FLAT, SkipReason.ORDER_VALUE),
    ({"order_value_max": Decimal(8125)}, an_entry(price=None), FLAT, SkipReason.NO_PRICE),
    ({"open_positions_max": 2}, an_entry(), replace(FLAT, open_positions=1), None),
    (
        {"open_positions_max": 1},
        an_entry(),
        replace(FLAT, open_positions=1),
        SkipReason.OPEN_POSITIONS,
    ),
    (
        {"open_positions_max": 1},
        an_entry(),
        replace(FLAT, open_positions=1, positions={("NSE:SBIN", Product.INTRADAY): 5}),
        None,
    ),
    (
        {"open_positions_max": 1},
        an_entry(),
        replace(FLAT, open_positions=1, positions={("NSE:SBIN", Product.DELIVERY): 5}),
        SkipReason.OPEN_POSITIONS,
    ),
    ({"open_positions_max": 1}, an_entry(), NOTHING_KNOWN, SkipReason.POSITIONS_UNKNOWN),
    ({"orders_per_day_max": 5}, an_entry(), replace(FLAT, orders_today=4), None),
    (
        {"orders_per_day_max": 5},
        an_entry(),
        replace(FLAT, orders_today=5),
        SkipReason.ORDERS_PER_DAY,
    ),
    (
        {"orders_per_day_max": 5},
        an_entry(instrument=Instrument(name="NSE:SBIN", freeze_quantity=5)),
        replace(FLAT, orders_today=4),
        SkipReason.ORDERS_PER_DAY,
    ),
    ({"orders_per_day_max": 5}, an_entry(), NOTHING_KNOWN, SkipReason.ORDERS_UNKNOWN),
    ({"loss_per_day_max": Decimal(500)}, an_entry(), replace(FLAT, loss_today=Decimal(499)), None),
    (
        {"loss_per_day_max": Decimal(500)},
        an_entry(),
        replace(FLAT, loss_today=Decimal(500)),
        SkipReason.LOSS_PER_DAY,
    ),
    ({"loss_per_day_max": Decimal(500)}, an_entry(), NOTHING_KNOWN, SkipReason.LOSS_UNKNOWN),
    ({"instruments_allowed": frozenset({"NSE:SBIN"})}, an_entry(), FLAT, None),
    ({"instruments_allowed": frozenset({"NFO:NIFTY"})}, an_entry(NIFTY), FLAT, None),
    (
        {"instruments_allowed": frozenset({"NFO:NIFTYNXT50"})},
        an_entry(NIFTY),
        FLAT,
        SkipReason.INSTRUMENT_LEFT_OUT,
    ),
    (
        {"instruments_denied": frozenset({"NFO:NIFTY"})},
        an_entry(NIFTY),
        FLAT,
        SkipReason.INSTRUMENT_LEFT_OUT,
    ),
    (
        {
            "instruments_allowed": frozenset({"NSE:SBIN"}),
            "instruments_denied": frozenset({"NSE:SBIN"}),
        },
        an_entry(),
        FLAT,
        SkipReason.INSTRUMENT_LEFT_OUT,
    ),
    ({"segments_allowed": frozenset({Segment.EQUITY})}, an_entry(), FLAT, None),
    (
        {"segments_denied": frozenset({Segment.EQUITY})},
        an_entry(),
        FLAT,
        SkipReason.SEGMENT_LEFT_OUT,
    ),
    ({"products_allowed": frozenset({Product.INTRADAY})}, an_entry(), FLAT, None),
    (
        {"products_allowed": frozenset({Product.DELIVERY})},
        an_entry(),
        FLAT,
        SkipReason.PRODUCT_LEFT_OUT,
    ),
    ({"trading_from_ist": time(12, 0)}, an_entry(), FLAT, None),
    ({"trading_from_ist": time(12, 1)}, an_entry(), FLAT, SkipReason.TRADING_WINDOW),
    ({"trading_until_ist": time(12, 1)}, an_entry(), FLAT, None),
    ({"trading_until_ist": time(12, 0)}, an_entry(), FLAT, SkipReason.TRADING_WINDOW),
    ({"price_distance_bps_max": 50}, a_market_entry("100.50", "100"), FLAT, None),
    ({"price_distance_bps_max": 50}, a_market_entry("99.50", "100"), FLAT, None),
    (
        {"price_distance_bps_max": 50},
        a_market_entry("100.51", "100"),
        FLAT,
        SkipReason.PRICE_MOVED,
    ),
    ({"price_distance_bps_max": 50}, a_market_entry("99.49", "100"), FLAT, SkipReason.PRICE_MOVED),
    ({"price_distance_bps_max": 50}, a_market_entry(None, "100"), FLAT, SkipReason.NO_QUOTE),
    ({"price_distance_bps_max": 50}, a_market_entry("100", None), FLAT, SkipReason.NO_PRICE),
    ({"price_distance_bps_max": 50}, an_entry(), FLAT, None),
    (
        {"price_distance_bps_max": 50},
        an_entry(master_price=Decimal(100), last_price=Decimal(110)),
        FLAT,
        SkipReason.PRICE_MOVED,
    ),
    (
        {"price_distance_bps_max": 50},
        replace(a_market_entry("110", "100"), order_type=OrderType.STOP),
        FLAT,
        None,
    ),
    ({}, an_entry(side=Side.SELL), FLAT, SkipReason.SHORT),
    ({}, an_entry(side=Side.SELL), NOTHING_KNOWN, None),
    ({"short_allowed": True}, an_entry(side=Side.SELL), FLAT, None),
    (
        {},
        an_entry(side=Side.SELL),
        replace(FLAT, positions={("NSE:SBIN", Product.INTRADAY): 10}),
        None,
    ),
    (
        {},
        an_entry(side=Side.SELL),
        replace(FLAT, positions={("NSE:SBIN", Product.INTRADAY): 9}),
        SkipReason.SHORT,
    ),
    ({}, an_entry(after_market=True), FLAT, SkipReason.AFTER_MARKET),
    ({"after_market_allowed": True}, an_entry(after_market=True), FLAT, None),
]


def test_parts_of_an_order_are_held_against_limits_as_the_whole() -> None:
    part_of_100 = an_entry(quantity=100, filled_before=10, filled_after=20)

    assert asked(part_of_100, Limits(order_quantity_max=99)) is SkipReason.ORDER_QUANTITY
    assert decide(part_of_100, SAME, Limits(order_quantity_max=100)) == (10,)


def test_a_part_sells_no_more_than_is_held_where_the_whole_would() -> None:
    held = replace(FLAT, positions={("NSE:SBIN", Product.INTRADAY): 5})
    sold = an_entry(side=Side.SELL, quantity=10, filled_before=5, filled_after=10)

    assert asked(sold, Limits(), held) is None
    assert asked(replace(sold, filled_before=4), Limits(), held) is SkipReason.SHORT


@pytest.mark.parametrize(("limits", "entry", "standing", "reason"), CASES)
def test_each_limit_lets_through_what_reaches_it_and_nothing_beyond(
    limits: Mapping[str, Any], entry: Entry, standing: Standing, reason: SkipReason | None
) -> None:
    assert asked(entry, Limits(**limits), standing) is reason


def test_every_rule_is_among_the_cases() -> None:
    asked_about = {rule for limits, *_ in CASES for rule in Limits(**limits).rules}

    assert asked_about == set(Rule)


def test_nothing_is_asked_of_a_follow_without_limits() -> None:
    assert NO_LIMITS.rules == ()
    assert decide(an_entry(price=None), SAME, NO_LIMITS) == (10,)


def test_rules_are_asked_in_their_order() -> None:
    broken = every_limit(
        order_value_max=Decimal(1), order_quantity_max=1, orders_per_day_max=0,
        open_positions_max=0, loss_per_day_max=Decimal(0),
        instruments_allowed=frozenset({"NSE:TCS"}), segments_denied=frozenset({Segment.EQUITY}),
        products_allowed=frozenset({Product.MTF}), trading_until_ist=time(9, 31),
        price_distance_bps_max=0, after_market_allowed=False, short_allowed=False,
    )  # fmt: skip
    entry = replace(
        a_market_entry("101", "100"), side=Side.SELL, after_market=True, price=Decimal(100)
    )
    mending: list[dict[str, Any]] = [
        {"after_market_allowed": True}, {"short_allowed": True}, {"products_allowed": frozenset()},
        {"segments_denied": frozenset()}, {"instruments_allowed": frozenset()},
        {"trading_until_ist": None}, {"orders_per_day_max": None}, {"loss_per_day_max": None},
        {"open_positions_max": None}, {"order_quantity_max": None}, {"order_value_max": None},
        {"price_distance_bps_max": None},
    ]  # fmt: skip
    mended: dict[str, Any] = {}
    found = []
    for changes in mending:
        found.append(asked(entry, replace(broken, **mended)))
        mended.update(changes)

    assert found == [
        SkipReason.AFTER_MARKET, SkipReason.SHORT, SkipReason.PRODUCT_LEFT_OUT,
        SkipReason.SEGMENT_LEFT_OUT, SkipReason.INSTRUMENT_LEFT_OUT, SkipReason.TRADING_WINDOW,
        SkipReason.ORDERS_PER_DAY, SkipReason.LOSS_PER_DAY, SkipReason.OPEN_POSITIONS,
        SkipReason.ORDER_QUANTITY, SkipReason.ORDER_VALUE, SkipReason.PRICE_MOVED,
    ]  # fmt: skip
    assert asked(entry, replace(broken, **mended)) is None


def test_the_follow_is_asked_before_the_account_and_each_counts_its_own() -> None:
    limits = Limits(orders_per_day_max=5)
    busy, calm = replace(FLAT, orders_today=5), FLAT

    def whose(follow: Standing, account: Standing) -> str | None:
        answer = decide(
            an_entry(), SAME, limits, follow=follow, account=account, account_limits=limits
        )
        return answer.figures["whose"] if isinstance(answer, Refusal) else None

    assert whose(calm, calm) is None
    assert whose(busy, busy) == Whose.FOLLOW
    assert whose(calm, busy) == Whose.ACCOUNT


def test_what_a_follow_opts_into_is_not_asked_of_the_account() -> None:
    answer = decide(
        an_entry(side=Side.SELL, after_market=True),
        SAME,
        Limits(short_allowed=True, after_market_allowed=True),
        account=FLAT,
        account_limits=NO_LIMITS,
    )

    assert answer == (10,)


def test_what_is_refused_is_never_shown_as_within_the_limit() -> None:
    answer = decide(a_market_entry("100.5001", "100"), SAME, Limits(price_distance_bps_max=50))

    assert isinstance(answer, Refusal)
    assert answer.figures["moved"] == "50.1"


def test_an_old_quote_guards_nobody() -> None:
    quote = Quote(instrument="NSE:SBIN", last=Decimal(100), at=NOON)
    instrument = Instrument(name="NSE:SBIN")

    def last_price(age_s: float) -> Decimal | None:
        at = NOON.fromtimestamp(NOON.timestamp() + age_s, NOON.tzinfo)
        return entry_of(a_signal(), instrument, at=at, quote=quote).last_price

    assert last_price(2) == Decimal(100)
    assert last_price(2.001) is None


def test_a_change_is_asked_for_its_size_alone() -> None:
    strict = replace(every_limit(), order_quantity_max=10, orders_per_day_max=0)

    assert change_refused(an_entry(), 5, 10, strict) is None
    refused = change_refused(an_entry(), 10, 11, NO_LIMITS, account_limits=strict)
    assert refused is not None
    assert refused.reason is SkipReason.ORDER_QUANTITY
    assert refused.figures["whose"] == Whose.ACCOUNT


def test_a_change_sells_no_more_than_is_held_beside_the_order() -> None:
    selling = an_entry(side=Side.SELL)
    two_more = replace(FLAT, positions={("NSE:SBIN", Product.INTRADAY): 2})

    def reason(quantity: int, limits: Limits = NO_LIMITS) -> SkipReason | None:
        refused = change_refused(selling, 10, quantity, limits, account=two_more)
        return refused.reason if refused else None

    assert reason(12) is None
    assert reason(13) is SkipReason.SHORT
    assert reason(5) is None
    already_short = replace(FLAT, positions={("NSE:SBIN", Product.INTRADAY): -2})
    assert change_refused(selling, 10, 10, NO_LIMITS, account=already_short) is None
    assert reason(13, Limits(short_allowed=True)) is None


@pytest.mark.parametrize(("limits", "entry", "standing", "reason"), CASES)
def test_every_refusal_has_the_figures_its_sentence_needs(
    limits: Mapping[str, Any], entry: Entry, standing: Standing, reason: SkipReason | None
) -> None:
    answer = decide(entry, SAME, Limits(**limits), account=standing, follow=standing)

    if isinstance(answer, Refusal):
        assert figures_of(answer.reason) <= answer.figures.keys()
