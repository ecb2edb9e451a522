from decimal import Decimal

import pytest

from libs.paper.errors import InvalidTerms, OrderIsOver, UnknownInstrument, UnknownOrder
from libs.paper.orders import OrderRequest
from libs.trading.orders import OrderStatus, OrderTerms, Product, Side, Validity
from tests.unit.libs.paper.market import (
    CALL,
    CLIENT,
    FUTURE,
    NOON,
    SBIN,
    Ear,
    a_request,
    an_exchange,
    later,
    terms,
)


def test_market_order_fills_at_the_last_price_and_tells_every_step() -> None:
    exchange, ear = an_exchange(), Ear()
    exchange.listen(ear)

    order = exchange.place(a_request(), NOON)

    assert order.average_price == Decimal("812.50")
    assert ear.heard == [
        "ACKED 0",
        "OPEN 0",
        "trade 1: 10 at 812.50",
        "FILLED 10",
        "position 10 of XB00001",
    ]


def test_limit_beyond_the_last_price_fills_at_the_better_last_price() -> None:
    order = an_exchange().place(a_request(terms(limit="820.00")), NOON)

    assert order.status is OrderStatus.FILLED
    assert order.average_price == Decimal("812.50")


@pytest.mark.parametrize(
    ("side", "limit", "moved_to"),
    [(Side.BUY, "800.00", "795.00"), (Side.SELL, "830.00", "835.00")],
)
def test_resting_limit_fills_at_its_own_price_when_the_market_crosses_it(
    side: Side, limit: str, moved_to: str
) -> None:
    exchange = an_exchange()
    order = exchange.place(a_request(terms(limit=limit), side=side), NOON)
    assert order.is_working

    exchange.set_price(SBIN, Decimal(moved_to), later(1))

    assert order.status is OrderStatus.FILLED
    assert order.average_price == Decimal(limit)


def test_price_that_only_comes_near_leaves_a_limit_resting() -> None:
    exchange = an_exchange()
    order = exchange.place(a_request(terms(limit="800.00")), NOON)

    exchange.set_price(SBIN, Decimal("800.05"), later(1))

    assert order.is_working


def test_older_order_is_filled_first() -> None:
    exchange, ear = an_exchange(), Ear()
    exchange.place(a_request(terms(1, limit="800.00")), NOON)
    exchange.place(a_request(terms(2, limit="805.00")), NOON)
    exchange.listen(ear)

    exchange.set_price(SBIN, Decimal("790.00"), later(1))

    assert [word for word in ear.heard if word.startswith("trade")] == [
        "trade 1: 1 at 800.00",
        "trade 1: 2 at 805.00",
    ]


@pytest.mark.parametrize(
    ("side", "trigger", "moved_to"),
    [(Side.BUY, "820.00", "821.00"), (Side.SELL, "805.00", "804.00")],
)
def test_stop_waits_for_its_trigger_then_takes_the_last_price(
    side: Side, trigger: str, moved_to: str
) -> None:
    exchange = an_exchange()
    order = exchange.place(a_request(terms(trigger=trigger), side=side), NOON)
    assert order.is_working

    exchange.set_price(SBIN, Decimal(moved_to), later(1))

    assert order.status is OrderStatus.FILLED
    assert order.average_price == Decimal(moved_to)


def test_triggered_stop_limit_rests_at_its_limit_when_the_market_ran_away() -> None:
    exchange = an_exchange()
    order = exchange.place(a_request(terms(limit="821.00", trigger="820.00")), NOON)

    exchange.set_price(SBIN, Decimal("825.00"), later(1))
    assert (order.status, order.triggered) == (OrderStatus.OPEN, True)

    exchange.set_price(SBIN, Decimal("819.00"), later(2))
    assert order.average_price == Decimal("821.00")


def test_ioc_that_does_not_fill_is_cancelled_at_once() -> None:
    order = an_exchange().place(a_request(terms(limit="800.00"), validity=Validity.IOC), NOON)

    assert order.status is OrderStatus.CANCELLED
    assert "IOC" in order.message


@pytest.mark.parametrize(
    ("request_", "problem"),
    [
        (a_request(terms(limit="812.53")), "price 812.53 is off the 0.05 tick"),
        (a_request(terms(64), instrument=FUTURE, product=Product.CARRY_FORWARD), "lot 65"),
        (a_request(terms(65), instrument=FUTURE, product=Product.DELIVERY), "cash"),
        (a_request(product=Product.CARRY_FORWARD), "derivatives"),
        (a_request(terms(0)), "quantity"),
    ],
)
def test_malformed_order_leaves_no_trace(request_: OrderRequest, problem: str) -> None:
    exchange = an_exchange()

    with pytest.raises(InvalidTerms, match=problem):
        exchange.place(request_, NOON)

    assert exchange.orders_created == 0
    assert exchange.account(CLIENT).orders == {}


@pytest.mark.parametrize(
    ("request_", "reason"),
    [
        (a_request(terms(10_000)), "margin shortfall"),
        (a_request(terms(limit="975.05")), "outside the circuit"),
        (a_request(terms(limit="649.95")), "outside the circuit"),
        (a_request(terms(trigger="812.45")), "below the last price"),
        (a_request(terms(trigger="812.55"), side=Side.SELL), "above the last price"),
        (a_request(terms(limit="819.00", trigger="820.00")), "beyond the limit"),
        (a_request(terms(1885), instrument=CALL, product=Product.INTRADAY), "freeze"),
        (a_request(side=Side.SELL, product=Product.DELIVERY), "insufficient holdings"),
    ],
)
def test_order_the_exchange_cannot_carry_stands_rejected_in_the_book(
    request_: OrderRequest, reason: str
) -> None:
    exchange = an_exchange()

    order = exchange.place(request_, NOON)

    assert order.status is OrderStatus.REJECTED
    assert reason in order.message
    assert exchange.account(CLIENT).orders == {1: order}
    assert exchange.account(CLIENT).available == Decimal(1_000_000)


def test_unknown_instrument_is_refused() -> None:
    with pytest.raises(UnknownInstrument):
        an_exchange().place(a_request(instrument="NSE:NOSUCH"), NOON)


def test_modified_order_is_matched_anew() -> None:
    exchange = an_exchange()
    order = exchange.place(a_request(terms(limit="800.00")), NOON)

    exchange.modify(CLIENT, order.number, terms(20, limit="815.00"), later(1))

    assert (order.status, order.filled_quantity) == (OrderStatus.FILLED, 20)
    assert order.average_price == Decimal("812.50")


@pytest.mark.parametrize(
    "impossible",
    [terms(limit="812.53"), terms(limit="990.00"), terms(10_000_000, limit="800.00")],
)
def test_refused_modification_leaves_the_order_as_it_was(impossible: OrderTerms) -> None:
    exchange = an_exchange()
    order = exchange.place(a_request(terms(limit="800.00")), NOON)
    blocked = exchange.account(CLIENT).blocked

    with pytest.raises(InvalidTerms):
        exchange.modify(CLIENT, order.number, impossible, later(1))

    assert order.terms == terms(limit="800.00")
    assert order.is_working
    assert exchange.account(CLIENT).blocked == blocked


def test_order_that_is_over_cannot_be_changed() -> None:
    exchange = an_exchange()
    order = exchange.place(a_request(), NOON)

    with pytest.raises(OrderIsOver) as refusal:
        exchange.cancel(CLIENT, order.number, later(1))

    assert refusal.value.status is OrderStatus.FILLED


def test_order_of_another_account_is_unknown() -> None:
    exchange = an_exchange()
    exchange.open_account("XB00002", Decimal(1000))
    order = exchange.place(a_request(terms(limit="800.00")), NOON)

    with pytest.raises(UnknownOrder):
        exchange.cancel("XB00002", order.number, later(1))


def test_price_off_the_tick_moves_nothing() -> None:
    exchange = an_exchange()

    with pytest.raises(InvalidTerms):
        exchange.set_price(SBIN, Decimal("812.51"), NOON)

    assert exchange.prices[SBIN] == Decimal("812.50")
