"""Money, positions and holdings of one paper account."""

from dataclasses import dataclass, field
from decimal import Decimal

from libs.paper.orders import OrderChange, PaperOrder, PaperTrade
from libs.trading.orders import Product, Side

ZERO = Decimal(0)


@dataclass(slots=True, kw_only=True)
class PaperPosition:
    """Net of one instrument in one product today; `net` is signed, `average` that of what is open.

    `carried` is the signed quantity the day began with. `margin` is what the open part holds.
    """

    instrument: str
    product: Product
    net: int = 0
    average: Decimal = ZERO
    realised: Decimal = ZERO
    margin: Decimal = ZERO
    carried: int = 0
    buy_quantity: int = 0
    buy_value: Decimal = ZERO
    sell_quantity: int = 0
    sell_value: Decimal = ZERO

    def take(self, side: Side, quantity: int, price: Decimal) -> Decimal:
        """Add one fill and return the profit it realised."""
        self._count(side, quantity, price)
        signed = quantity * side.sign
        if self.net * signed >= 0:
            held = abs(self.net)
            self.average = (self.average * held + price * quantity) / (held + quantity)
            self.net += signed
            return ZERO
        closing = min(quantity, abs(self.net))
        realised = (price - self.average) * closing * (1 if self.net > 0 else -1)
        self.realised += realised
        if quantity > closing:
            self.average = price
        elif quantity == abs(self.net):
            self.average = ZERO
        self.net += signed
        return realised

    def unrealised(self, last_price: Decimal) -> Decimal:
        return (last_price - self.average) * self.net

    def _count(self, side: Side, quantity: int, price: Decimal) -> None:
        if side is Side.BUY:
            self.buy_quantity += quantity
            self.buy_value += price * quantity
        else:
            self.sell_quantity += quantity
            self.sell_value += price * quantity


@dataclass(slots=True, kw_only=True)
class PaperHolding:
    """Shares owned since an earlier day."""

    instrument: str
    quantity: int
    average: Decimal


@dataclass(slots=True, kw_only=True)
class PaperAccount:
    """One client. `blocked` is held for working orders, `used` for open positions.

    `promised` counts what working orders may still fill, so that no order scans the others.
    """

    client_id: str
    cash: Decimal
    realised: Decimal = ZERO
    blocked: Decimal = ZERO
    used: Decimal = ZERO
    orders: dict[int, PaperOrder] = field(default_factory=dict)
    working: dict[int, PaperOrder] = field(default_factory=dict)
    promised: dict[tuple[str, Product, Side], int] = field(default_factory=dict)
    trades: list[PaperTrade] = field(default_factory=list)
    positions: dict[tuple[str, Product], PaperPosition] = field(default_factory=dict)
    holdings: dict[str, PaperHolding] = field(default_factory=dict)

    @property
    def available(self) -> Decimal:
        return self.cash + self.realised - self.used - self.blocked

    def changes(self) -> list[tuple[PaperOrder, OrderChange]]:
        """List every change of today's orders as it happened."""
        found = [(order, change) for order in self.orders.values() for change in order.changes]
        return sorted(found, key=lambda it: it[1].sequence)

    def position(self, instrument: str, product: Product) -> PaperPosition:
        key = (instrument, product)
        if key not in self.positions:
            self.positions[key] = PaperPosition(instrument=instrument, product=product)
        return self.positions[key]

    def net(self, instrument: str, product: Product) -> int:
        position = self.positions.get((instrument, product))
        return position.net if position else 0

    def held(self, instrument: str) -> int:
        holding = self.holdings.get(instrument)
        return holding.quantity if holding else 0

    def working_quantity(self, instrument: str, product: Product, side: Side) -> int:
        """Count what working orders of this kind may still fill."""
        return self.promised.get((instrument, product, side), 0)

    def promise(self, order: PaperOrder, quantity: int) -> None:
        """Count what an order may still fill, or with a negative quantity no longer fill."""
        key = (order.request.instrument, order.request.product, order.request.side)
        self.promised[key] = self.promised.get(key, 0) + quantity
