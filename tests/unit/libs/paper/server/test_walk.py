import random

from libs.paper.instruments import BUILT_IN
from libs.paper.server.walk import next_prices


def test_walk_stays_on_tick_near_the_opening_and_inside_the_circuit() -> None:
    prices = {name: item.opening_price for name, item in BUILT_IN.items()}
    dice = random.Random(1)  # noqa: S311 - the same walk every time.

    for _ in range(2000):
        prices |= next_prices(BUILT_IN, prices, dice)

    for name, price in prices.items():
        instrument = BUILT_IN[name]
        assert price % instrument.tick_size == 0
        assert abs(price / instrument.opening_price - 1) < 0.05
        assert instrument.lower_circuit <= price <= instrument.upper_circuit
    assert sum(prices[name] != item.opening_price for name, item in BUILT_IN.items()) > 15
