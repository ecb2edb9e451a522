"""Whatever is asked of the exchange, its sums stay true and the same day comes out twice."""

from decimal import Decimal
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from libs.paper.errors import PaperRefusal
from libs.paper.exchange import PaperExchange
from libs.paper.fills import FillScript, FillStep
from libs.trading.orders import Product, Side, Validity
from tests.unit.libs.paper.market import CLIENT, SBIN, Ear, a_request, an_exchange, later, terms

Step = tuple[Any, ...]
PRICES = st.sampled_from(["780.00", "800.00", "812.50", "820.00", "850.00"])
STEPS = st.one_of(
    st.tuples(
        st.just("place"),
        st.sampled_from(Side),
        st.sampled_from([Product.INTRADAY, Product.DELIVERY]),
        st.sampled_from(Validity),
        st.integers(1, 2000),
        st.none() | PRICES,
        st.none() | PRICES,
    ),
    st.tuples(st.just("cancel"), st.integers(1, 12)),
    st.tuples(st.just("modify"), st.integers(1, 12), st.integers(1, 2000), PRICES),
    st.tuples(st.just("price"), PRICES),
    st.tuples(st.just("script"), st.integers(1, 100), st.integers(1, 100)),
    st.tuples(st.just("day")),
)


def act(exchange: PaperExchange, step: Step, second: int) -> None:
    at = later(second)
    exchange.advance(at)
    match step:
        case "place", side, product, validity, quantity, limit, trigger:
            request = a_request(
                terms(quantity, limit, trigger), side=side, product=product, validity=validity
            )
            exchange.place(request, at)
        case "cancel", number:
            exchange.cancel(CLIENT, number, at)
        case "modify", number, quantity, limit:
            exchange.modify(CLIENT, number, terms(quantity, limit), at)
        case "price", price:
            exchange.set_price(SBIN, Decimal(price), at)
        case "script", now, then:
            script = [FillStep(percent=now), FillStep(percent=then, after_s=1)]
            exchange.fill_scripts.append(FillScript(steps=script))
        case _:
            exchange.close_day(at)


def a_day(steps: list[Step]) -> list[str]:
    exchange, ear = an_exchange(), Ear()
    exchange.listen(ear)
    for second, step in enumerate(steps):
        try:
            act(exchange, step, second)
        except PaperRefusal as refusal:
            ear.heard.append(str(refusal))
        check(exchange)
    return ear.heard


def check(exchange: PaperExchange) -> None:
    account = exchange.account(CLIENT)
    cent = Decimal("0.01")
    assert abs(account.blocked - sum(o.blocked for o in account.orders.values())) < cent
    assert abs(account.used - sum(p.margin for p in account.positions.values())) < cent
    assert set(account.working) == {n for n, o in account.orders.items() if o.is_working}
    for (_, product, side), promised in account.promised.items():
        assert promised == sum(
            order.remaining
            for order in account.working.values()
            if (order.request.product, order.request.side) == (product, side)
        )
    assert account.held(SBIN) + account.net(SBIN, Product.DELIVERY) >= 0
    for order in account.orders.values():
        assert 0 <= order.filled_quantity <= order.terms.quantity
        assert order.filled_quantity == sum(trade.quantity for trade in order.trades)
        assert order.is_working or order.blocked == 0
    for position in account.positions.values():
        assert position.net == position.carried + position.buy_quantity - position.sell_quantity


@settings(max_examples=80)
@given(st.lists(STEPS, max_size=30))
def test_sums_stay_true_and_the_same_day_comes_out_twice(steps: list[Step]) -> None:
    assert a_day(steps) == a_day(steps)
