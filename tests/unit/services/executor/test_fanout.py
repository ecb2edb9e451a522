import itertools
from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal

import pytest

from libs.brokers import registry
from libs.trading.accounts import Account, Environment, SessionState
from libs.trading.calendar import trading_day
from libs.trading.follows import Follow, Sizing, SizingMode
from libs.trading.instruments import Instrument, InstrumentClass
from libs.trading.limits import Limits
from libs.trading.orders import OrderExtra, OrderTerms, OrderType, Product, Side, Validity
from libs.trading.protection import Band, Protection
from libs.trading.quotes import Quote
from libs.trading.reasons import Refusal, SkipReason, figures_of, sentence
from libs.trading.signals import Signal, SignalAction
from libs.trading.states import OrderState
from services.executor.exits import Opened
from services.executor.fanout import Fanout
from services.executor.planning import PlacedOrder
from services.executor.rows import PlannedOrder
from services.executor.shapes import NO_QUOTES, Quotes
from services.executor.standings import Standings
from tests.factories import NOON, a_follow, a_signal, an_account, some_terms


class TwoInstruments:
    """Lists one share and one future; nothing else is known."""

    def find(self, name: str) -> Instrument | None:
        lots = {"NSE:SBIN": 1, "NFO:NIFTY:2026-12-29:FUT": 65}
        if name not in lots:
            return None
        return Instrument(name=name, lot_size=lots[name], freeze_quantity=1000)

    def has_derivatives(self, underlying: str) -> bool | None:
        return None


class FrozenInstrument(TwoInstruments):
    """Freezes what is less than its lot."""

    def find(self, name: str) -> Instrument | None:
        return Instrument(name=name, lot_size=5, freeze_quantity=3)


def a_protection() -> Protection:
    return Protection(
        order_types=frozenset({OrderType.MARKET}),
        bands={InstrumentClass.CASH: (Band(basis_points=100),)},
    )


def a_fanout(**limits: object) -> Fanout:
    numbers = itertools.count()
    manifest = replace(registry.manifest(registry.BROKERS[0]), **limits)  # type: ignore[arg-type]  # named fields
    return Fanout(
        manifest=manifest,
        instruments=TwoInstruments(),
        partitions=4,
        standings=Standings(now=lambda: NOON, lasts_s=1),
        mint_order_id=lambda: f"o{next(numbers)}",
        mint_tag=lambda: f"t{next(numbers)}",
    )


def entries(
    signal: Signal,
    *follows: Follow,
    accounts: Sequence[Account] = (),
    fanout: Fanout | None = None,
    quotes: Quotes = NO_QUOTES,
) -> list[PlannedOrder]:
    known = {account.account_id: account for account in accounts or [an_account()]}
    return (fanout or a_fanout()).entries(
        signal, follows or [a_follow()], known, at=NOON, quotes=quotes
    )


def sizing(value: str, mode: SizingMode = SizingMode.MULTIPLIER) -> Sizing:
    return Sizing(mode=mode, value=Decimal(value))


def test_each_follower_gets_their_own_size_of_the_masters_terms() -> None:
    half, fixed = (
        a_follow(sizing=sizing("0.5")),
        a_follow(follow_id="f2", sizing=sizing("7", SizingMode.FIXED_QUANTITY)),
    )

    planned = entries(a_signal(), half, fixed)

    assert [order.shape.terms.quantity for order in planned] == [5, 7]
    assert {order.shape.terms.limit_price for order in planned} == {Decimal("812.50")}
    assert len({order.client_order_id for order in planned}) == 2


@pytest.mark.parametrize(
    ("reason", "signal", "follow", "account"),
    [
        (SkipReason.TOO_SMALL, a_signal(), a_follow(sizing=sizing("0.05")), an_account()),
        (SkipReason.PAUSED, a_signal(), a_follow(paused=True), an_account()),
        (
            SkipReason.DISCONNECTED,
            a_signal(),
            a_follow(),
            an_account(session_state=SessionState.DISCONNECTED),
        ),
        (SkipReason.DISCONNECTED, a_signal(), a_follow(account_id="unknown"), an_account()),
        (SkipReason.NO_CONSENT, a_signal(), a_follow(), an_account(environment=Environment.LIVE)),
        (SkipReason.UNKNOWN_INSTRUMENT, a_signal(instrument="NSE:NOPE"), a_follow(), an_account()),
    ],
)
def test_whoever_gets_nothing_has_a_row_that_says_why(
    reason: SkipReason, signal: Signal, follow: Follow, account: Account
) -> None:
    [order] = entries(signal, follow, accounts=[account])

    assert (order.shape.state, order.shape.reason) == ("SKIPPED", reason)
    assert order.shape.message


def test_an_order_type_the_broker_does_not_take_is_skipped() -> None:
    fanout = a_fanout(order_types=frozenset({OrderType.MARKET}))

    [order] = entries(a_signal(), fanout=fanout)

    assert order.shape.reason == SkipReason.UNSUPPORTED


def exits(net: int, closing: int = 0, side: Side | None = Side.SELL) -> list[PlannedOrder]:
    signal = a_signal(action=SignalAction.EXIT, side=side)
    account = an_account()
    opened = Opened(account_id=account.account_id, net_quantity=net, closing=closing)
    return a_fanout().exits(
        signal, [a_follow()], {account.account_id: account}, {account.account_id: opened}
    )


@pytest.mark.parametrize(
    ("net", "closing", "side", "expected"),
    [
        (6, 0, Side.SELL, ("PLANNED", Side.SELL, 6)),
        (6, 4, Side.SELL, ("PLANNED", Side.SELL, 2)),
        (-6, 0, None, ("PLANNED", Side.BUY, 6)),
        (6, 6, Side.SELL, ("SKIPPED", Side.SELL, 0)),
        (0, 0, Side.SELL, ("SKIPPED", Side.BUY, 0)),
        (6, 0, Side.BUY, ("SKIPPED", Side.SELL, 0)),
    ],
)
def test_an_exit_closes_what_is_held_and_never_opens_anything(
    net: int, closing: int, side: Side | None, expected: tuple[str, Side, int]
) -> None:
    [order] = exits(net, closing, side)

    assert (order.shape.state, order.shape.side, order.shape.terms.quantity) == expected


@pytest.mark.parametrize(
    ("net", "elsewhere", "product", "expected"),
    [
        (6, 0, Product.INTRADAY, 6),
        (6, -2, Product.INTRADAY, 4),
        (6, -9, Product.INTRADAY, 0),
        (6, 50, Product.INTRADAY, 6),
        (-6, 2, Product.INTRADAY, 4),
        (-6, -50, Product.INTRADAY, 6),
        (6, None, Product.INTRADAY, 6),
        (6, -9, Product.DELIVERY, 6),
    ],
)
def test_an_exit_closes_no_more_than_the_account_still_has(
    net: int, elsewhere: int | None, product: Product, expected: int
) -> None:
    account = an_account()
    fanout = a_fanout()
    standings = Standings(now=lambda: NOON, lasts_s=1)
    standings.load([account.account_id], {}, trading_day(NOON))
    if elsewhere is not None:
        standings.note_elsewhere(account.account_id, trading_day(NOON), {"NSE:SBIN": elsewhere})
    opened = Opened(account_id=account.account_id, net_quantity=net, closing=0, ours_today=net)

    [order] = replace(fanout, standings=standings).exits(
        a_signal(action=SignalAction.EXIT, side=None, product=product),
        [a_follow()],
        {account.account_id: account},
        {account.account_id: opened},
    )

    assert order.shape.terms.quantity == expected
    assert order.shape.state == ("PLANNED" if expected else "SKIPPED")


@pytest.mark.parametrize(
    ("extra", "allowed", "reason"),
    [
        (OrderExtra.DISCLOSED_QUANTITY, False, SkipReason.DISCLOSED_QUANTITY),
        (OrderExtra.ATTACHED_EXITS, False, SkipReason.ATTACHED_EXITS),
        (OrderExtra.AFTER_MARKET, False, SkipReason.AFTER_MARKET),
        (OrderExtra.AFTER_MARKET, True, SkipReason.AFTER_MARKET_UNSUPPORTED),
    ],
)
def test_what_a_copy_cannot_have_is_never_dropped_in_silence(
    extra: OrderExtra, reason: SkipReason, *, allowed: bool
) -> None:
    follow = a_follow(limits=Limits(after_market_allowed=allowed))

    [order] = entries(a_signal(extras=frozenset({extra})), follow)

    assert (order.shape.state, order.shape.reason) == ("SKIPPED", reason)


def test_a_fill_is_copied_as_its_part_of_the_followers_order() -> None:
    signal = a_signal(terms=some_terms(quantity=10), filled_before=4, filled_after=10)

    [order] = entries(signal, a_follow(sizing=sizing("2")))

    assert order.shape.terms.quantity == 12


def test_a_follower_for_whom_nothing_was_opened_gets_no_row_for_an_exit() -> None:
    signal = a_signal(action=SignalAction.EXIT, side=Side.SELL)

    assert a_fanout().exits(signal, [a_follow()], {}, {}) == []


def a_placed_order(quantity: int, **changes: object) -> PlacedOrder:
    order = PlacedOrder(
        order_id="order-1",
        account_id="account-1",
        follow_id="follow-1",
        state=OrderState.OPEN,
        instrument="NSE:SBIN",
        side=Side.BUY,
        product=Product.INTRADAY,
        validity=Validity.DAY,
        environment=Environment.PAPER,
        order_type=OrderType.LIMIT,
        quantity=quantity,
        leg=0,
        changes=0,
        closes=False,
    )
    return replace(order, **changes)  # type: ignore[arg-type]  # named fields


def changed(follow: Follow, *legs: PlacedOrder, **terms: object) -> list[OrderTerms] | Refusal:
    signal = a_signal(
        action=SignalAction.MODIFY, side=None, product=None, terms=some_terms(**terms)
    )
    return a_fanout().changed(signal, follow, legs, at=NOON)


def test_modified_terms_are_sized_like_the_entry() -> None:
    terms = changed(a_follow(sizing=sizing("0.5")), a_placed_order(5), quantity=9)

    assert terms == [some_terms(quantity=4)]


def test_a_size_of_the_followers_own_stays_when_the_master_changes_the_quantity() -> None:
    follow = a_follow(sizing=sizing("7", SizingMode.FIXED_QUANTITY))

    terms = changed(follow, a_placed_order(7), quantity=900, limit_price=Decimal(813))

    assert terms == [some_terms(quantity=7, limit_price=Decimal(813))]


def test_a_changed_exit_keeps_its_quantity_whatever_the_rules_of_entries_say() -> None:
    follow = a_follow(sizing=sizing("5"), limits=Limits(order_quantity_max=1, short_allowed=False))

    terms = changed(
        follow, a_placed_order(3, side=Side.SELL, closes=True), limit_price=Decimal(900)
    )

    assert terms == [some_terms(quantity=3, limit_price=Decimal(900))]


def test_a_change_beyond_a_limit_is_left_out_with_its_reason() -> None:
    follow = a_follow(limits=Limits(order_quantity_max=20))

    refusal = changed(follow, a_placed_order(10), quantity=21)

    assert isinstance(refusal, Refusal)
    assert sentence(*refusal) == "21 shares is over your limit of 20 per order."


def test_an_order_changed_as_often_as_the_broker_bears_stays_as_it_is() -> None:
    refusal = changed(a_follow(), a_placed_order(10, changes=10_000))

    assert isinstance(refusal, Refusal)
    assert refusal.reason is SkipReason.TOO_MANY_CHANGES


def test_what_the_exchange_would_freeze_goes_in_slices_that_are_changed_together() -> None:
    fanout = a_fanout()
    orders = entries(a_signal(terms=some_terms(quantity=2600)), fanout=fanout)
    signal = a_signal(action=SignalAction.MODIFY, terms=some_terms(quantity=2300))
    legs = [a_placed_order(order.shape.terms.quantity, leg=order.leg) for order in orders]

    terms = fanout.changed(signal, a_follow(), legs, at=NOON)

    assert [(order.leg, order.shape.terms.quantity) for order in orders] == [
        (0, 1000),
        (1, 1000),
        (2, 600),
    ]
    assert len({order.client_order_id for order in orders}) == 3
    assert not isinstance(terms, Refusal)
    assert [leg.quantity for leg in terms] == [1000, 1000, 300]


def test_a_way_out_leaves_even_where_the_exchange_would_freeze_a_lot() -> None:
    account = an_account()
    opened = Opened(account_id=account.account_id, net_quantity=5, closing=0)
    fanout = replace(a_fanout(), instruments=FrozenInstrument())

    orders = fanout.exits(
        a_signal(action=SignalAction.EXIT, side=Side.SELL),
        [a_follow()],
        {account.account_id: account},
        {account.account_id: opened},
    )

    assert [order.shape.terms.quantity for order in orders] == [5]


def a_quote(last: str) -> Quotes:
    return {Environment.PAPER: Quote(instrument="NSE:SBIN", last=Decimal(last), at=NOON)}


MARKET = some_terms(order_type=OrderType.MARKET, limit_price=None)


def test_a_market_order_gets_a_worst_price_where_the_broker_wants_one() -> None:
    fanout = a_fanout(protection=a_protection())

    [order] = entries(a_signal(terms=MARKET), fanout=fanout, quotes=a_quote("800"))

    terms = order.shape.terms
    assert (terms.order_type, terms.limit_price) == (OrderType.LIMIT, Decimal(808))


def test_without_a_price_a_market_order_is_left_out() -> None:
    fanout = a_fanout(protection=a_protection())

    [order] = entries(a_signal(terms=MARKET), fanout=fanout)

    assert (order.shape.state, order.shape.reason) == ("SKIPPED", SkipReason.NO_QUOTE)


@pytest.mark.parametrize(
    ("signal", "follow", "expected"),
    [
        (a_signal(), a_follow(), False),
        (a_signal(terms=MARKET), a_follow(), True),
        (a_signal(), a_follow(limits=Limits(price_distance_bps_max=50)), True),
        (a_signal(), a_follow(limits=Limits(order_value_max=Decimal(1000))), False),
        (a_signal(instrument="NSE:NOPE", terms=MARKET), a_follow(), False),
    ],
)
def test_a_price_is_asked_for_only_where_somebody_needs_it(
    signal: Signal, follow: Follow, *, expected: bool
) -> None:
    assert a_fanout(protection=a_protection()).asks_price(signal, [follow]) is expected


def test_a_limit_leaves_an_entry_out_with_the_figures_behind_it() -> None:
    follow = a_follow(limits=Limits(order_value_max=Decimal(5000)))

    [order] = entries(a_signal(), follow)

    assert order.shape.reason == SkipReason.ORDER_VALUE
    assert order.shape.figures is not None
    assert order.shape.figures.keys() >= figures_of(SkipReason.ORDER_VALUE)
    assert order.shape.message == (
        "10 shares \N{MULTIPLICATION SIGN} \N{INDIAN RUPEE SIGN}812.50 ="
        " \N{INDIAN RUPEE SIGN}8,125.00 is over your \N{INDIAN RUPEE SIGN}5,000.00"
        " limit per order."
    )


def test_followers_with_equal_rules_share_a_decision_and_a_shape() -> None:
    accounts = [an_account(account_id=f"account-{n}") for n in range(3)]
    follows = [a_follow(follow_id=f"f{n}", account_id=f"account-{n}") for n in range(3)]

    orders = entries(a_signal(), *follows, accounts=accounts)

    assert len({id(order.shape) for order in orders}) == 1
