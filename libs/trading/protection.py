"""Market orders with a worst price: how far from the market one may trade, and the limit it makes.

Since April 2026 no order sent by software may be a plain market order in India: it is a limit order
whose price lies a band away from the market.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

from libs.trading.instruments import InstrumentClass
from libs.trading.orders import OrderType, Side

# What a plain order becomes when it gets a worst price.
PROTECTED: Mapping[OrderType, OrderType] = {
    OrderType.MARKET: OrderType.LIMIT,
    OrderType.STOP: OrderType.STOP_LIMIT,
}
_PER_UNIT = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Band:
    """A distance from a price: basis points of it, or rupees, whichever is more.

    It holds for prices up to `price_max`, None for all above.
    """

    basis_points: int = 0
    rupees: Decimal = Decimal(0)
    price_max: Decimal | None = None

    def width(self, price: Decimal) -> Decimal:
        return max(price * self.basis_points / _PER_UNIT, self.rupees)


@dataclass(frozen=True, slots=True, kw_only=True)
class Protection:
    """`order_types` are never sent plain. `bands` by class of instrument, by rising `price_max`.

    `sent_plain_without_quote` says that the broker protects a plain market order by itself, so
    that a way out need not wait for a price of ours.
    """

    order_types: frozenset[OrderType]
    bands: Mapping[InstrumentClass, tuple[Band, ...]]
    sent_plain_without_quote: bool = False

    def band(self, of: InstrumentClass, price: Decimal) -> Band | None:
        """Choose the band of this price; None where none is known."""
        for band in self.bands.get(of, ()):
            if band.price_max is None or price <= band.price_max:
                return band
        return None


def worst_price(
    side: Side,
    price: Decimal,
    band: Band,
    tick_size: Decimal,
    *,
    lower_limit: Decimal | None = None,
    upper_limit: Decimal | None = None,
) -> Decimal:
    """Give the limit price of a protected order: on the tick, never outside the day's limits.

    Rounded towards the market, so that it never lies outside of the band; only a limit of the day
    can push it further.
    """
    lowest = max(lower_limit or tick_size, tick_size)
    wanted = max(price + side.sign * band.width(price), lowest)
    if upper_limit is not None:
        wanted = min(wanted, upper_limit)
    rounded = _on_tick(wanted, tick_size, up=side is Side.SELL)
    if rounded < lowest:
        return _on_tick(lowest, tick_size, up=True)
    if upper_limit is not None and rounded > upper_limit:
        return _on_tick(upper_limit, tick_size, up=False)
    return rounded


def _on_tick(price: Decimal, tick_size: Decimal, *, up: bool) -> Decimal:
    rounding = ROUND_CEILING if up else ROUND_FLOOR
    return (price / tick_size).to_integral_value(rounding) * tick_size
