from decimal import Decimal

import pytest

from libs.trading.orders import OrderStatus, OrderTerms, Product, Side
from tests.unit.libs.paper.market import (
    CALL,
    CLIENT,
    FUTURE,
    NOON,
    SBIN,
    a_request,
    an_exchange,
    later,
    terms,
)


@pytest.mark.parametrize(
    ("instrument", "product", "side", "asked", "held"),
    [
        (SBIN, Product.INTRADAY, Side.BUY, terms(100), "16250"),
        (SBIN, Product.INTRADAY, Side.SELL, terms(100), "16250"),
        (SBIN, Product.DELIVERY, Side.BUY, terms(100), "81250"),
        (SBIN, Product.MTF, Side.BUY, terms(100), "40625"),
        (FUTURE, Product.CARRY_FORWARD, Side.BUY, terms(65), "319956"),
        (CALL, Product.CARRY_FORWARD, Side.BUY, terms(65), "26812.50"),
        (CALL, Product.CARRY_FORWARD, Side.SELL, terms(65), "318500"),
    ],
)
def test_position_holds_the_margin_of_its_product(
    instrument: str, product: Product, side: Side, asked: OrderTerms, held: str
) -> None:
    exchange = an_exchange()

    exchange.place(a_request(asked, instrument=instrument, product=product, side=side), NOON)

    assert exchange.account(CLIENT).used == Decimal(held)
    assert exchange.account(CLIENT).available == Decimal(1_000_000) - Decimal(held)


def test_resting_order_blocks_margin_until_it_is_cancelled() -> None:
    exchange = an_exchange()
    account = exchange.account(CLIENT)

    order = exchange.place(a_request(terms(100, limit="800.00")), NOON)
    assert account.blocked == Decimal(16_000)

    exchange.cancel(CLIENT, order.number, later(1))
    assert account.blocked == 0


def test_modification_blocks_the_margin_of_the_new_terms() -> None:
    exchange = an_exchange()
    order = exchange.place(a_request(terms(100, limit="800.00")), NOON)

    exchange.modify(CLIENT, order.number, terms(50, limit="700.00"), later(1))

    assert exchange.account(CLIENT).blocked == Decimal(7_000)


def test_closing_a_position_needs_no_margin_and_realises_its_profit() -> None:
    exchange = an_exchange(funds="16250")
    exchange.place(a_request(terms(100)), NOON)
    assert exchange.account(CLIENT).available == 0

    exchange.set_price(SBIN, Decimal("820.00"), later(1))
    order = exchange.place(a_request(terms(100), side=Side.SELL), later(2))

    assert order.status is OrderStatus.FILLED
    assert exchange.account(CLIENT).realised == Decimal(750)
    assert exchange.account(CLIENT).available == Decimal(17_000)


def test_two_exits_of_one_position_are_not_both_free() -> None:
    exchange = an_exchange(funds="16250")
    exchange.place(a_request(terms(100)), NOON)

    first = exchange.place(a_request(terms(100, limit="820.00"), side=Side.SELL), later(1))
    second = exchange.place(a_request(terms(100, limit="820.00"), side=Side.SELL), later(2))

    assert first.status is OrderStatus.OPEN
    assert second.status is OrderStatus.REJECTED


def test_position_turned_around_has_the_new_sides_average() -> None:
    exchange = an_exchange()
    exchange.place(a_request(terms(10)), NOON)
    exchange.set_price(SBIN, Decimal("800.00"), later(1))

    exchange.place(a_request(terms(15), side=Side.SELL), later(2))

    position = exchange.account(CLIENT).position(SBIN, Product.INTRADAY)
    assert (position.net, position.average) == (-5, Decimal("800.00"))
    assert position.realised == Decimal(-125)
    assert position.unrealised(Decimal("790.00")) == Decimal(50)


def test_shares_bought_for_delivery_today_may_be_sold_today_and_no_more() -> None:
    exchange = an_exchange()
    exchange.place(a_request(terms(10), product=Product.DELIVERY), NOON)

    sold = exchange.place(a_request(terms(6), side=Side.SELL, product=Product.DELIVERY), later(1))
    again = exchange.place(a_request(terms(5), side=Side.SELL, product=Product.DELIVERY), later(2))

    assert sold.status is OrderStatus.FILLED
    assert again.status is OrderStatus.REJECTED
