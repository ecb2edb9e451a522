from decimal import Decimal

from libs.trading.orders import OrderStatus, Product, Side
from tests.unit.libs.paper.market import (
    CLIENT,
    FUTURE,
    NOON,
    SBIN,
    a_request,
    an_exchange,
    later,
    terms,
)


def test_day_order_lapses_at_the_end_of_its_day_and_leaves_the_book() -> None:
    exchange = an_exchange()
    order = exchange.place(a_request(terms(limit="800.00")), NOON)

    exchange.close_day(later(1))

    assert order.status is OrderStatus.LAPSED
    assert exchange.account(CLIENT).orders == {}
    assert exchange.account(CLIENT).blocked == 0


def test_intraday_is_squared_off_at_the_last_price() -> None:
    exchange = an_exchange()
    exchange.place(a_request(terms(100)), NOON)
    exchange.set_price(SBIN, Decimal("810.00"), later(1))

    exchange.close_day(later(2))

    account = exchange.account(CLIENT)
    assert account.positions == {}
    assert account.cash == account.available == Decimal(999_750)


def test_delivery_becomes_a_holding_that_can_be_sold_tomorrow() -> None:
    exchange = an_exchange()
    account = exchange.account(CLIENT)
    exchange.place(a_request(terms(100), product=Product.DELIVERY), NOON)
    exchange.close_day(later(1))
    assert (account.held(SBIN), account.cash) == (100, Decimal(918_750))

    sold = exchange.place(a_request(terms(100), side=Side.SELL, product=Product.DELIVERY), later(2))
    exchange.close_day(later(3))

    assert sold.status is OrderStatus.FILLED
    assert (account.holdings, account.cash) == ({}, Decimal(1_000_000))


def test_future_is_carried_over_with_its_margin() -> None:
    exchange = an_exchange()
    exchange.place(a_request(terms(65), instrument=FUTURE, product=Product.CARRY_FORWARD), NOON)
    used = exchange.account(CLIENT).used

    exchange.close_day(later(1))

    position = exchange.account(CLIENT).position(FUTURE, Product.CARRY_FORWARD)
    assert (position.net, position.carried) == (65, 65)
    assert exchange.account(CLIENT).used == used


def test_order_numbers_go_on_the_next_day() -> None:
    exchange = an_exchange()
    exchange.place(a_request(), NOON)

    exchange.close_day(later(1))

    assert exchange.place(a_request(), later(2)).number == 2
