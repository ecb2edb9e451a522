"""An order in the paper book, the request it came from, and its trades."""

from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal

from libs.trading.orders import OrderStatus, OrderTerms, Product, Side, Validity

WORKING = frozenset({OrderStatus.ACKED, OrderStatus.OPEN, OrderStatus.PARTIAL})


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderRequest:
    """What an account asks for. `tag` is the caller's own mark, kept and given back.

    `by_owner` marks an order that came by the owner's hand, not over the API.
    """

    client_id: str
    instrument: str
    side: Side
    product: Product
    validity: Validity
    terms: OrderTerms
    tag: str = ""
    by_owner: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderChange:
    """How an order stood after one change; `sequence` counts the changes of the whole exchange."""

    sequence: int
    at: datetime
    status: OrderStatus
    terms: OrderTerms
    filled_quantity: int
    filled_value: Decimal
    message: str


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
    changes: list[OrderChange] = field(default_factory=list, repr=False)

    def as_of(self, change: OrderChange) -> "PaperOrder":
        """Show the order as it stood after this change."""
        return replace(
            self,
            updated_at=change.at,
            status=change.status,
            terms=change.terms,
            filled_quantity=change.filled_quantity,
            filled_value=change.filled_value,
            message=change.message,
        )

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
