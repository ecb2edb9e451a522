"""What an order is made of: its terms, our intent to place it, a broker's report about it.

Money is `Decimal`, quantities are shares or contracts (never lots), instants are aware UTC.
"""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum


class Side(StrEnum):
    BUY = "BUY"
    SELL = "SELL"

    @property
    def sign(self) -> int:
        """+1 for a buy, -1 for a sell."""
        return 1 if self is Side.BUY else -1


class OrderType(StrEnum):
    MARKET = "MARKET"
    LIMIT = "LIMIT"
    STOP = "STOP"
    STOP_LIMIT = "STOP_LIMIT"

    @property
    def has_limit_price(self) -> bool:
        return self in {OrderType.LIMIT, OrderType.STOP_LIMIT}

    @property
    def has_trigger_price(self) -> bool:
        return self in {OrderType.STOP, OrderType.STOP_LIMIT}


class Product(StrEnum):
    DELIVERY = "DELIVERY"
    INTRADAY = "INTRADAY"
    CARRY_FORWARD = "CARRY_FORWARD"
    MTF = "MTF"


class Validity(StrEnum):
    DAY = "DAY"
    IOC = "IOC"


class OrderStatus(StrEnum):
    """What a broker says an order is, in our words. The follower order's own states are wider."""

    ACKED = "ACKED"
    OPEN = "OPEN"
    PARTIAL = "PARTIAL"
    FILLED = "FILLED"
    CANCELLED = "CANCELLED"
    REJECTED = "REJECTED"
    LAPSED = "LAPSED"


class OrderExtra(StrEnum):
    """What an order that was not sent from here may have, and ours never do."""

    AFTER_MARKET = "AFTER_MARKET"
    DISCLOSED_QUANTITY = "DISCLOSED_QUANTITY"
    ATTACHED_EXITS = "ATTACHED_EXITS"


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderTerms:
    """The part of an order that a modification may change."""

    order_type: OrderType
    quantity: int
    limit_price: Decimal | None = None
    trigger_price: Decimal | None = None

    def problem(self) -> str | None:
        """Say what is wrong with these terms and how to mend it, or None when nothing is."""
        if self.quantity <= 0:
            return "quantity: must be a whole number above 0"
        wants_limit, wants_trigger = (
            self.order_type.has_limit_price,
            self.order_type.has_trigger_price,
        )
        for name, wanted, price in (
            ("limit_price", wants_limit, self.limit_price),
            ("trigger_price", wants_trigger, self.trigger_price),
        ):
            if wanted and (price is None or price <= 0):
                return f"{name}: a {self.order_type} order needs one above 0"
            if not wanted and price is not None:
                return f"{name}: a {self.order_type} order has none, leave it out"
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderIntent:
    """One order as we want it at one account; `client_order_id` is our tag."""

    client_order_id: str
    account_id: str
    instrument: str
    side: Side
    product: Product
    validity: Validity
    terms: OrderTerms
    algo_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderReport:
    """What a broker said about one order, from a reply, its order feed or its order book.

    `filled_quantity` is cumulative. `client_order_id` is None for an order without a tag of ours.
    `message` keeps the broker's own words. `at` is when this became so, where the broker tells it
    apart from `placed_at`, the order's own beginning.
    """

    status: OrderStatus
    broker_order_id: str
    client_order_id: str | None = None
    exchange_order_id: str | None = None
    instrument: str | None = None
    side: Side | None = None
    product: Product | None = None
    terms: OrderTerms | None = None
    filled_quantity: int = 0
    average_price: Decimal | None = None
    code: str | None = None
    message: str = ""
    at: datetime | None = None
    placed_at: datetime | None = None
    validity: Validity | None = None
    extras: frozenset[OrderExtra] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Trade:
    """One execution of one order at one account. An order has as many as it took to fill it."""

    trade_id: str
    broker_order_id: str
    instrument: str
    side: Side
    quantity: int
    price: Decimal
    client_order_id: str | None = None
    at: datetime | None = None

    @property
    def signed_quantity(self) -> int:
        """What this execution added to the net position."""
        return self.side.sign * self.quantity


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """Net holding of one instrument in one product at one account; `net_quantity` is signed."""

    instrument: str
    product: Product
    net_quantity: int
    average_price: Decimal
    last_price: Decimal
    realised: Decimal
    unrealised: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Holding:
    instrument: str
    quantity: int
    average_price: Decimal
    last_price: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Funds:
    """Money at one account, in rupees. `commodity` is None where the broker keeps one purse."""

    available: Decimal
    total: Decimal
    used: Decimal
    commodity_available: Decimal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    broker_client_id: str
    name: str
