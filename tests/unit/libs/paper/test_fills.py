from decimal import Decimal

from libs.paper.fills import FillScript, FillStep
from libs.trading.orders import OrderStatus, Product, Validity
from tests.unit.libs.paper.market import (
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


def test_scripted_order_fills_in_parts_as_time_passes() -> None:
    exchange, ear = an_exchange(), Ear()
    steps = [FillStep(percent=40), FillStep(percent=30, after_s=2), FillStep(percent=30, after_s=5)]
    exchange.fill_scripts.append(FillScript(steps=steps))
    exchange.listen(ear)

    order = exchange.place(a_request(terms(10)), NOON)
    assert (order.status, order.filled_quantity) == (OrderStatus.PARTIAL, 4)

    exchange.advance(later(2))
    assert order.filled_quantity == 7
    exchange.advance(later(5))

    assert order.status is OrderStatus.FILLED
    assert [word for word in ear.heard if word.startswith("trade")] == [
        "trade 1: 4 at 812.50",
        "trade 2: 3 at 812.50",
        "trade 3: 3 at 812.50",
    ]
    assert exchange.account(CLIENT).blocked == 0


def test_script_serves_the_named_client_and_number_of_orders_only() -> None:
    exchange = an_exchange()
    exchange.open_account("XB00002", Decimal(1_000_000))
    exchange.fill_scripts.append(FillScript(steps=[FillStep(percent=50)], client_id="XB00002"))

    other = exchange.place(a_request(), NOON)
    named = exchange.place(a_request(client_id="XB00002"), NOON)
    next_one = exchange.place(a_request(client_id="XB00002"), NOON)

    assert (other.filled_quantity, named.filled_quantity, next_one.filled_quantity) == (10, 5, 10)


def test_what_a_script_leaves_open_rests_until_the_price_is_set_again() -> None:
    exchange = an_exchange()
    exchange.fill_scripts.append(FillScript(steps=[FillStep(percent=50)]))
    order = exchange.place(a_request(terms(limit="812.50")), NOON)
    assert order.is_working

    exchange.set_price(SBIN, Decimal("812.50"), later(1))

    assert order.status is OrderStatus.FILLED


def test_cancelled_order_gets_no_later_fill() -> None:
    exchange = an_exchange()
    steps = [FillStep(percent=50), FillStep(percent=50, after_s=1)]
    exchange.fill_scripts.append(FillScript(steps=steps))
    order = exchange.place(a_request(terms(10)), NOON)

    exchange.cancel(CLIENT, order.number, NOON)
    exchange.advance(later(1))

    assert (order.status, order.filled_quantity) == (OrderStatus.CANCELLED, 5)


def test_scripted_parts_are_whole_lots() -> None:
    exchange = an_exchange(funds="10000000")
    exchange.fill_scripts.append(FillScript(steps=[FillStep(percent=40)]))

    order = exchange.place(
        a_request(terms(195), instrument=FUTURE, product=Product.CARRY_FORWARD), NOON
    )

    assert order.filled_quantity == 65


def test_ioc_keeps_what_filled_at_once_and_loses_the_rest() -> None:
    exchange = an_exchange()
    steps = [FillStep(percent=30), FillStep(percent=70, after_s=1)]
    exchange.fill_scripts.append(FillScript(steps=steps))

    order = exchange.place(a_request(terms(10), validity=Validity.IOC), NOON)
    exchange.advance(later(1))

    assert (order.status, order.filled_quantity) == (OrderStatus.CANCELLED, 3)
