"""An order in the paper book, the request it came from, and its trades."""

from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from libs.trading.orders import OrderStatus, OrderTerms, Product, Side, Validity

WORKING = frozenset({OrderStatus.ACKED, OrderStatus.OPEN, OrderStatus.PARTIAL})


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderRequest:
    """What an account asks for. `tag` is the caller's own mark, kept and given back."""

    client_id: str
    instrument: str
    side: Side
    product: Product
    validity: Validity
    terms: OrderTerms
    tag: str = ""


@dataclass(slots=True, kw_only=True)
class PaperOrder:
    """One order, changed in place by the exchange alone; `number` counts over all accounts.

    `blocked` is the margin held for what is not filled yet. `triggered` tells that a stop became
    a plain order. `scripted` tells that a fill script took over its fills.
    """

    number: int
    request: OrderRequest
    terms: OrderTerms
    created_at: datetime
    updated_at: datetime
    status: OrderStatus = OrderStatus.ACKED
    filled_quantity: int = 0
    filled_value: Decimal = Decimal(0)
    blocked: Decimal = Decimal(0)
    message: str = ""
    triggered: bool = False
    scripted: bool = False
    trades: list["PaperTrade"] = field(default_factory=list)

    @property
    def remaining(self) -> int:
        return self.terms.quantity - self.filled_quantity

    @property
    def average_price(self) -> Decimal | None:
        return self.filled_value / self.filled_quantity if self.filled_quantity else None

    @property
    def is_working(self) -> bool:
        return self.status in WORKING


@dataclass(frozen=True, slots=True, kw_only=True)
class PaperTrade:
    """One fill; `number` counts the fills of its order from 1."""

    order: PaperOrder = field(repr=False)
    number: int
    quantity: int
    price: Decimal
    at: datetime

    @property
    def value(self) -> Decimal:
        return self.price * self.quantity
