"""An order is fitted to a broker's manifest or refused with the reason; nothing else decides."""

from dataclasses import replace
from decimal import Decimal

import pytest

from libs.brokers.fitting import FittedOrder, WantedOrder, fit, needs_quote, too_many_changes
from libs.brokers.manifest import BrokerManifest, SegmentRules, TagRules
from libs.trading.instruments import Instrument, InstrumentClass
from libs.trading.orders import OrderTerms, OrderType, Product, Side, Validity
from libs.trading.protection import Band, Protection
from libs.trading.quotes import Quote
from libs.trading.reasons import Refusal, SkipReason, sentence
from tests.factories import NOON

SBIN = Instrument(name="NSE:SBIN")
PROTECTION = Protection(
    order_types=frozenset({OrderType.MARKET, OrderType.STOP}),
    bands={InstrumentClass.CASH: (Band(basis_points=100),)},
)
SHARES = SegmentRules(products=frozenset({Product.DELIVERY, Product.INTRADAY}))
BROKER = BrokerManifest(
    name="a_broker",
    title="A Broker",
    live_urls={},
    paper_paths={},
    simulator_port=1,
    callback_path="/",
    open_login="",
    open_orders="",
    open_feed="",
    open_account="",
    load_instruments="",
    build_simulator="",
    segments={"NSE": SHARES},
    protection=PROTECTION,
)
PLAIN = replace(BROKER, protection=None)
MARKET = OrderTerms(order_type=OrderType.MARKET, quantity=10)
STOP = OrderTerms(order_type=OrderType.STOP, quantity=10, trigger_price=Decimal("820.00"))
LIMIT = OrderTerms(order_type=OrderType.LIMIT, quantity=10, limit_price=Decimal("812.50"))
QUOTE = Quote(
    instrument="NSE:SBIN",
    bid=Decimal("812.45"),
    ask=Decimal("812.55"),
    last=Decimal("812.50"),
    at=NOON,
)


def wanted(
    terms: OrderTerms = LIMIT,
    side: Side = Side.BUY,
    product: Product = Product.INTRADAY,
    validity: Validity = Validity.DAY,
    closes: bool = False,
) -> WantedOrder:
    return WantedOrder(side=side, product=product, validity=validity, terms=terms, closes=closes)


def terms_of(fitted: object) -> OrderTerms:
    assert isinstance(fitted, FittedOrder), fitted
    return fitted.terms


def reason_of(refused: object) -> SkipReason:
    assert isinstance(refused, Refusal), refused
    return refused.reason


@pytest.mark.parametrize("terms", [LIMIT, replace(STOP, order_type=OrderType.STOP_LIMIT)])
def test_what_the_broker_takes_is_left_as_it_is(terms: OrderTerms) -> None:
    fitted = fit(BROKER, SBIN, wanted(terms), QUOTE)

    assert terms_of(fitted) is terms
    assert isinstance(fitted, FittedOrder)
    assert not fitted.protected


def test_market_order_stays_one_where_it_may() -> None:
    assert terms_of(fit(PLAIN, SBIN, wanted(MARKET))) is MARKET
    assert not needs_quote(PLAIN, MARKET)


@pytest.mark.parametrize(("side", "limit"), [(Side.BUY, "820.60"), (Side.SELL, "804.40")])
def test_market_order_gets_a_worst_price(side: Side, limit: str) -> None:
    fitted = fit(BROKER, SBIN, wanted(MARKET, side), QUOTE)

    assert terms_of(fitted) == OrderTerms(
        order_type=OrderType.LIMIT, quantity=10, limit_price=Decimal(limit)
    )
    assert isinstance(fitted, FittedOrder)
    assert fitted.protected
    assert needs_quote(BROKER, MARKET)


def test_worst_price_stays_within_the_days_limits() -> None:
    quote = replace(QUOTE, upper_limit=Decimal("815.00"))

    assert terms_of(fit(BROKER, SBIN, wanted(MARKET), quote)).limit_price == Decimal("815.00")


@pytest.mark.parametrize(("side", "limit"), [(Side.BUY, "820.65"), (Side.SELL, "804.35")])
def test_without_a_last_price_the_other_side_counts(side: Side, limit: str) -> None:
    fitted = fit(BROKER, SBIN, wanted(MARKET, side), replace(QUOTE, last=None))

    assert terms_of(fitted).limit_price == Decimal(limit)


@pytest.mark.parametrize(
    "quote", [None, Quote(instrument="NSE:SBIN", bid=Decimal("812.45"), at=NOON)]
)
def test_market_order_without_a_price_is_left_out(quote: Quote | None) -> None:
    assert reason_of(fit(BROKER, SBIN, wanted(MARKET), quote)) is SkipReason.NO_QUOTE


def test_exit_without_a_price_goes_plain_where_the_broker_protects_it_by_itself() -> None:
    kind = replace(BROKER, protection=replace(PROTECTION, sent_plain_without_quote=True))

    assert terms_of(fit(kind, SBIN, wanted(MARKET, closes=True))) is MARKET
    assert reason_of(fit(kind, SBIN, wanted(MARKET))) is SkipReason.NO_QUOTE
    assert reason_of(fit(BROKER, SBIN, wanted(MARKET, closes=True))) is SkipReason.NO_QUOTE


@pytest.mark.parametrize(("side", "limit"), [(Side.BUY, "828.20"), (Side.SELL, "811.80")])
def test_stop_gets_its_worst_price_from_its_trigger(side: Side, limit: str) -> None:
    fitted = fit(BROKER, SBIN, wanted(STOP, side))

    assert terms_of(fitted) == replace(
        STOP, order_type=OrderType.STOP_LIMIT, limit_price=Decimal(limit)
    )
    assert not needs_quote(BROKER, STOP)


def test_stop_becomes_a_stop_limit_where_the_broker_has_none() -> None:
    has_no_stop = replace(
        BROKER,
        order_types=frozenset({OrderType.LIMIT, OrderType.STOP_LIMIT}),
        protection=replace(PROTECTION, order_types=frozenset()),
    )

    assert terms_of(fit(has_no_stop, SBIN, wanted(STOP))).order_type is OrderType.STOP_LIMIT
    assert (
        reason_of(fit(replace(has_no_stop, protection=None), SBIN, wanted(STOP)))
        is SkipReason.UNSUPPORTED
    )


def test_order_types_of_the_segment_count() -> None:
    no_stops = replace(SHARES, order_types=frozenset({OrderType.MARKET, OrderType.LIMIT}))
    broker = replace(BROKER, segments={"NSE": no_stops})

    assert reason_of(fit(broker, SBIN, wanted(STOP))) is SkipReason.UNSUPPORTED


def test_class_without_a_band_is_never_guessed() -> None:
    broker = replace(BROKER, protection=replace(PROTECTION, bands={}))

    assert reason_of(fit(broker, SBIN, wanted(MARKET), QUOTE)) is SkipReason.UNSUPPORTED


@pytest.mark.parametrize(
    ("name", "product", "reason", "fact"),
    [
        ("BSE:SBIN", Product.INTRADAY, SkipReason.UNSUPPORTED_SEGMENT, ("segment", "BSE")),
        ("NSE:SBIN", Product.MTF, SkipReason.UNSUPPORTED_PRODUCT, ("product", "MTF")),
        (
            "NSE:SBIN",
            Product.CARRY_FORWARD,
            SkipReason.UNSUPPORTED_PRODUCT,
            ("product", "CARRY_FORWARD"),
        ),
    ],
)
def test_refusal_names_what_the_broker_lacks(
    name: str, product: Product, reason: SkipReason, fact: tuple[str, str]
) -> None:
    refused = fit(BROKER, Instrument(name=name), wanted(product=product))

    assert not isinstance(refused, FittedOrder)
    assert refused.reason is reason
    assert refused.figures.items() >= {fact, ("broker", "A Broker")}


def test_validity_of_the_segment_counts() -> None:
    no_ioc = replace(SHARES, validities=frozenset({Validity.DAY}))
    broker = replace(BROKER, segments={"NSE": no_ioc})

    refused = fit(broker, SBIN, wanted(validity=Validity.IOC))

    assert reason_of(refused) is SkipReason.UNSUPPORTED_VALIDITY
    assert fit(BROKER, SBIN, wanted(validity=Validity.IOC)) != refused


def test_order_is_not_modified_more_often_than_the_broker_bears() -> None:
    broker = replace(BROKER, modifications_per_order_max=3)

    assert too_many_changes(broker, 2) is None
    refused = too_many_changes(broker, 3)
    assert refused is not None
    assert (refused.reason, refused.figures["limit"]) == (SkipReason.TOO_MANY_CHANGES, "3")


@pytest.mark.parametrize(
    ("order", "told"),
    [
        (
            wanted(replace(STOP, order_type=OrderType.STOP_LIMIT, limit_price=Decimal(821))),
            "A Broker takes no stop limit orders of NSE:SBIN.",
        ),
        (
            wanted(product=Product.CARRY_FORWARD),
            "A Broker does not trade NSE:SBIN as carry forward.",
        ),
        (wanted(validity=Validity.IOC), "A Broker takes no IOC orders of NSE:SBIN."),
        (
            wanted(MARKET),
            "There was no fresh price of NSE:SBIN to check or to protect this order with.",
        ),
    ],
)
def test_follower_is_told_what_the_broker_does_not_take(order: WantedOrder, told: str) -> None:
    segment = replace(
        SHARES,
        order_types=frozenset({OrderType.MARKET, OrderType.LIMIT}),
        validities=frozenset({Validity.DAY}),
    )

    refused = fit(replace(BROKER, segments={"NSE": segment}), SBIN, order)

    assert isinstance(refused, Refusal)
    assert sentence(*refused) == told


def test_follower_is_told_how_often_an_order_was_changed() -> None:
    refused = too_many_changes(BROKER, 20)

    assert refused is not None
    assert sentence(*refused) == "The order was changed 20 times already; A Broker allows 20."


def test_tag_rules() -> None:
    rules = TagRules(
        pattern="[A-Za-z0-9]{1,30}", forbidden=frozenset({"Untagged"}), may_be_client_id=False
    )

    assert rules.takes("k3v9q0m2x7b1a4z", "XB00001")
    assert not rules.takes("XB00001", "XB00001")
    assert not rules.takes("Untagged", "XB00001")
    assert not rules.takes("", "XB00001")
    assert not rules.takes("a" * 31, "XB00001")
    assert not rules.takes("a tag", "XB00001")
