"""A gentle random walk of prices, so that a demo market moves. Off unless asked for."""

import random
from collections.abc import Mapping
from decimal import Decimal

from libs.paper.instruments import PaperInstrument

EVERY_S = 2.0
_MOVED = 6
_STEP_PERCENT_MAX = 0.06
_PULL = 0.02


def next_prices(
    instruments: Mapping[str, PaperInstrument], prices: Mapping[str, Decimal], dice: random.Random
) -> dict[str, Decimal]:
    """Move a few prices a little, pulled back to where they opened, always on their tick."""
    moved = {}
    for name in dice.sample(sorted(instruments), min(_MOVED, len(instruments))):
        instrument = instruments[name]
        distance = float((prices[name] - instrument.opening_price) / instrument.opening_price)
        percent = dice.uniform(-_STEP_PERCENT_MAX, _STEP_PERCENT_MAX) - distance * 100 * _PULL
        price = prices[name] * (1 + Decimal(percent) / 100)
        price = (price / instrument.tick_size).to_integral_value() * instrument.tick_size
        price = min(max(price, instrument.lower_circuit), instrument.upper_circuit)
        if price != prices[name]:
            moved[name] = price
    return moved
