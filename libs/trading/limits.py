"""What a follower allows: bounds on one order, on a day, and on what is traded. Only data.

The same type serves a follow and a whole account. Everything is left out by default: no limit.
"""

from dataclasses import dataclass, field
from datetime import time
from decimal import Decimal
from enum import StrEnum

from libs.trading.instruments import Segment
from libs.trading.orders import Product


class Rule(StrEnum):
    """What may be limited, in the order in which it is asked; the first that is broken wins."""

    PRODUCT = "PRODUCT"
    SEGMENT = "SEGMENT"
    INSTRUMENT = "INSTRUMENT"
    TRADING_WINDOW = "TRADING_WINDOW"
    ORDERS_PER_DAY = "ORDERS_PER_DAY"
    LOSS_PER_DAY = "LOSS_PER_DAY"
    OPEN_POSITIONS = "OPEN_POSITIONS"
    ORDER_QUANTITY = "ORDER_QUANTITY"
    ORDER_VALUE = "ORDER_VALUE"
    PRICE_DISTANCE = "PRICE_DISTANCE"


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Money is in rupees, times are Indian, quantities count shares or contracts.

    An empty set allows everything, or denies nothing; what is denied stays so though it is allowed
    too. A name among the instruments covers all that is written below it: `NFO:NIFTY` every future
    and option on NIFTY. `price_distance_bps_max` is how far, in basis points, the last price may
    be from the master's. Shorts and after-market orders must be opted into, on a follow.
    `rules` are those that are set, worked out once.
    """

    order_value_max: Decimal | None = None
    order_quantity_max: int | None = None
    open_positions_max: int | None = None
    orders_per_day_max: int | None = None
    loss_per_day_max: Decimal | None = None
    instruments_allowed: frozenset[str] = frozenset()
    instruments_denied: frozenset[str] = frozenset()
    segments_allowed: frozenset[Segment] = frozenset()
    segments_denied: frozenset[Segment] = frozenset()
    products_allowed: frozenset[Product] = frozenset()
    trading_from_ist: time | None = None
    trading_until_ist: time | None = None
    price_distance_bps_max: int | None = None
    short_allowed: bool = False
    after_market_allowed: bool = False
    rules: tuple[Rule, ...] = field(init=False, repr=False, compare=False, default=())

    def __post_init__(self) -> None:
        """Note which rules are set, so that a follow without limits costs nothing to check."""
        given = {
            rule for rule, names in _FIELDS.items() if any(self._given(name) for name in names)
        }
        object.__setattr__(self, "rules", tuple(rule for rule in Rule if rule in given))

    def _given(self, name: str) -> bool:
        value = getattr(self, name)
        return value is not None and value != frozenset()


_FIELDS: dict[Rule, tuple[str, ...]] = {
    Rule.PRODUCT: ("products_allowed",),
    Rule.SEGMENT: ("segments_allowed", "segments_denied"),
    Rule.INSTRUMENT: ("instruments_allowed", "instruments_denied"),
    Rule.TRADING_WINDOW: ("trading_from_ist", "trading_until_ist"),
    Rule.ORDERS_PER_DAY: ("orders_per_day_max",),
    Rule.LOSS_PER_DAY: ("loss_per_day_max",),
    Rule.OPEN_POSITIONS: ("open_positions_max",),
    Rule.ORDER_QUANTITY: ("order_quantity_max",),
    Rule.ORDER_VALUE: ("order_value_max",),
    Rule.PRICE_DISTANCE: ("price_distance_bps_max",),
}

NO_LIMITS = Limits()
