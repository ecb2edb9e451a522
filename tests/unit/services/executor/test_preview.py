"""What a follower would have got of past trades: the order path's own decisions, and no guesses."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, time, timedelta
from decimal import Decimal
from typing import Any

import pytest

from libs.brokers import registry
from libs.brokers.manifest import BrokerManifest
from libs.trading.accounts import Environment
from libs.trading.follows import Sizing, SizingMode
from libs.trading.instruments import Instrument, InstrumentClass
from libs.trading.limits import NO_LIMITS, Limits
from libs.trading.orders import OrderType, Product, Side
from libs.trading.protection import Band, Protection
from libs.trading.reasons import SkipReason
from libs.trading.signals import Signal, Stamps
from services.executor.preview import (
    EXPIRED_CONTRACT,
    NOT_JUDGED_SENTENCES,
    Asked,
    Judged,
    NotJudged,
    Outcome,
    Preview,
    preview,
)
from tests.factories import NOON, a_signal, an_account, some_terms

TODAY = date(2026, 11, 27)
MARKET = some_terms(order_type=OrderType.MARKET, limit_price=None)
FUTURE = "NFO:NIFTY:2026-12-29:FUT"


class ListOfToday:
    """Lists one share and one future."""

    def find(self, name: str) -> Instrument | None:
        lots = {"NSE:SBIN": 1, FUTURE: 65}
        if name not in lots:
            return None
        return Instrument(name=name, lot_size=lots[name], freeze_quantity=1000)

    def has_derivatives(self, underlying: str) -> bool | None:
        return None


def a_broker(*, protects: bool = False, **changes: Any) -> BrokerManifest:
    protection = Protection(
        order_types=frozenset({OrderType.MARKET}),
        bands={InstrumentClass.CASH: (Band(basis_points=100),)},
    )
    manifest = registry.manifest(registry.BROKERS[0])
    return replace(manifest, protection=protection if protects else None, **changes)


def sizing(value: str, mode: SizingMode = SizingMode.MULTIPLIER) -> Sizing:
    return Sizing(mode=mode, value=Decimal(value))


def trade(seq: int = 1, *, days_later: int = 0, **changes: Any) -> Signal:
    at = NOON + timedelta(days=days_later, minutes=seq)
    return a_signal(signal_id=f"signal-{seq}", seq=seq, stamps=Stamps(accepted_at=at), **changes)


def looked_at(
    *signals: Signal,
    how: Sizing | None = None,
    limits: Limits = NO_LIMITS,
    account_limits: Limits = NO_LIMITS,
    broker: BrokerManifest | None = None,
    **asked: Any,
) -> Preview:
    whole = Asked(
        account=an_account(),
        sizing=how or sizing("1"),
        limits=limits,
        account_limits=account_limits,
        **asked,
    )
    return preview(whole, signals, broker or a_broker(), ListOfToday(), today=TODAY)


def told(judged: Sequence[Judged]) -> list[tuple[int, str, str | None]]:
    return [(trade.signal.seq, trade.outcome, trade.reason) for trade in judged]


def test_each_trade_is_sized_as_for_a_follow_the_newest_first() -> None:
    seen = looked_at(trade(1), trade(2, terms=some_terms(quantity=3)), how=sizing("0.5"))

    assert [(one.signal.seq, one.shapes[0].terms.quantity) for one in seen.trades] == [
        (2, 1),
        (1, 5),
    ]
    assert (seen.copied, seen.value, seen.valueless) == (2, Decimal("4875.00"), 0)


def test_what_would_have_been_left_out_says_why_and_is_counted_by_reason() -> None:
    limits = Limits(order_value_max=Decimal(5000))
    big, small = trade(1), trade(2, terms=some_terms(quantity=2))

    seen = looked_at(big, small, trade(3), limits=limits)

    assert told(seen.trades) == [
        (3, "LEFT_OUT", "ORDER_VALUE"),
        (2, "COPIED", None),
        (1, "LEFT_OUT", "ORDER_VALUE"),
    ]
    assert seen.reasons(Outcome.LEFT_OUT) == {SkipReason.ORDER_VALUE: 2}
    assert "is over your" in seen.trades[0].message


def test_the_accounts_limits_count_too() -> None:
    [judged] = looked_at(trade(), account_limits=Limits(order_quantity_max=5)).trades

    assert judged.message == "10 shares is over your account's limit of 5 per order."


def test_a_large_one_goes_in_slices() -> None:
    [judged] = looked_at(trade(terms=some_terms(quantity=2600))).trades

    assert [shape.terms.quantity for shape in judged.shapes] == [1000, 1000, 600]
    assert judged.value == Decimal("812.50") * 2600


def test_orders_are_counted_from_trade_to_trade_and_anew_each_day() -> None:
    trades = [trade(1), trade(2), trade(3), trade(4, days_later=1)]

    seen = looked_at(*reversed(trades), limits=Limits(orders_per_day_max=2))

    assert told(seen.trades) == [
        (4, "COPIED", None),
        (3, "LEFT_OUT", "ORDERS_PER_DAY"),
        (2, "COPIED", None),
        (1, "COPIED", None),
    ]
    assert NotJudged.OTHER_ORDERS in seen.not_judged


def test_a_trading_window_is_held_against_the_time_of_the_trade() -> None:
    seen = looked_at(trade(1), trade(90), limits=Limits(trading_until_ist=time(13)))

    assert told(seen.trades) == [(90, "LEFT_OUT", "TRADING_WINDOW"), (1, "COPIED", None)]


@pytest.mark.parametrize(
    ("limits", "what"),
    [
        (Limits(loss_per_day_max=Decimal(1)), NotJudged.LOSS_PER_DAY),
        (Limits(open_positions_max=1), NotJudged.OPEN_POSITIONS),
        (Limits(price_distance_bps_max=1), NotJudged.PRICE_DISTANCE),
    ],
)
def test_limits_on_what_nobody_knows_any_more_are_named_and_leave_nothing_out(
    limits: Limits, what: NotJudged
) -> None:
    for seen in (looked_at(trade(), limits=limits), looked_at(trade(), account_limits=limits)):
        assert told(seen.trades) == [(1, "COPIED", None)]
        assert seen.not_judged == [NotJudged.STOPS, what]
        assert NOT_JUDGED_SENTENCES[what]


def test_whether_a_sale_was_a_short_is_not_judged_unless_shorts_are_allowed_anyway() -> None:
    sale = trade(side=Side.SELL)

    assert looked_at(sale).not_judged == [NotJudged.STOPS, NotJudged.SHORTS]
    assert looked_at(sale, limits=Limits(short_allowed=True)).not_judged == [NotJudged.STOPS]
    assert looked_at(sale).copied == 1


@pytest.mark.parametrize("protects", [False, True])
def test_a_market_order_without_a_known_price_has_a_quantity_and_no_value(
    *, protects: bool
) -> None:
    seen = looked_at(trade(terms=MARKET), broker=a_broker(protects=protects))

    [judged] = seen.trades
    terms = judged.shapes[0].terms
    assert (judged.outcome, terms.order_type, terms.quantity) == ("COPIED", "MARKET", 10)
    assert (judged.value, seen.value, seen.valueless) == (None, Decimal(0), 1)
    assert NotJudged.MARKET_PRICES in seen.not_judged


def test_where_the_broker_takes_no_plain_market_order_its_price_decides() -> None:
    limited = a_broker(protects=True, order_types=frozenset({OrderType.LIMIT}))

    [unknown] = looked_at(trade(terms=MARKET), broker=limited).trades
    [known] = looked_at(trade(terms=MARKET, master_price=Decimal(800)), broker=limited).trades

    assert (unknown.outcome, unknown.reason) == ("NOT_JUDGED", "NO_QUOTE")
    assert (known.outcome, known.shapes[0].terms.limit_price) == ("COPIED", Decimal(808))


def test_what_the_master_traded_at_stands_in_for_the_quote() -> None:
    rupees = sizing("20000", SizingMode.FIXED_VALUE)
    market = trade(terms=MARKET, master_price=Decimal("812.50"))

    [known] = looked_at(market, how=rupees).trades
    [unknown] = looked_at(trade(terms=MARKET), how=rupees).trades

    assert (known.shapes[0].terms.quantity, known.value) == (24, Decimal("19500.00"))
    assert (unknown.outcome, unknown.reason) == ("NOT_JUDGED", "NO_PRICE")


def test_money_is_what_was_named_and_nothing_is_guessed_without() -> None:
    share = sizing("5", SizingMode.FUNDS_SHARE)

    known = looked_at(trade(), how=share, funds=Decimal(100_000))
    unknown = looked_at(trade(), how=share)

    assert known.trades[0].shapes[0].terms.quantity == 6
    assert NotJudged.MONEY in known.not_judged
    assert told(unknown.trades) == [(1, "NOT_JUDGED", "FUNDS_UNKNOWN")]
    assert unknown.reasons(Outcome.NOT_JUDGED) == {SkipReason.FUNDS_UNKNOWN: 1}


def test_a_master_who_named_no_equity_is_why_proportional_followers_got_nothing() -> None:
    proportional = sizing("1", SizingMode.EQUITY_PROPORTIONAL)
    with_equity = trade(2, master_equity=Decimal(1_000_000))

    seen = looked_at(trade(1), with_equity, how=proportional, equity=Decimal(250_000))

    assert told(seen.trades) == [(2, "COPIED", None), (1, "LEFT_OUT", "MASTER_EQUITY_UNKNOWN")]
    assert seen.trades[0].shapes[0].terms.quantity == 2


@pytest.mark.parametrize(
    ("name", "outcome", "message"),
    [
        ("NFO:NIFTY:2026-11-24:FUT", "NOT_JUDGED", EXPIRED_CONTRACT),
        ("NFO:NIFTY:2026-12-01:FUT", "LEFT_OUT", "FYERS does not list NFO:NIFTY:2026"),
        ("NSE:NOPE", "LEFT_OUT", "FYERS does not list NSE:NOPE"),
    ],
)
def test_a_contract_that_expired_is_no_reason_to_have_been_left_out(
    name: str, outcome: str, message: str
) -> None:
    [judged] = looked_at(trade(instrument=name)).trades

    assert (judged.outcome, judged.reason) == (outcome, "UNKNOWN_INSTRUMENT")
    assert judged.message.startswith(message)


def test_of_a_fill_the_part_would_have_been_copied() -> None:
    part = trade(terms=some_terms(quantity=100), filled_before=40, filled_after=60)

    [judged] = looked_at(part, how=sizing("0.5")).trades

    assert [shape.terms.quantity for shape in judged.shapes] == [10]


def test_what_an_account_lacks_for_live_orders_leaves_out_all() -> None:
    live = Asked(
        account=an_account(environment=Environment.LIVE),
        sizing=sizing("1"),
        limits=NO_LIMITS,
        account_limits=NO_LIMITS,
    )

    seen = preview(live, [trade(product=Product.DELIVERY)], a_broker(), ListOfToday(), today=TODAY)

    assert [judged.outcome for judged in seen.trades] == ["LEFT_OUT"]


def test_without_trades_there_is_nothing_to_say() -> None:
    seen = looked_at()

    assert [*seen.trades, *seen.not_judged] == []
    assert (seen.copied, seen.value) == (0, Decimal(0))
