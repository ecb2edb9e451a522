"""What an order needs: the whole risk rule of the paper exchange, simple on purpose.

Delivery pays the full value and a delivery sale needs the shares. Intraday and carry-forward hold
20 %, MTF 50 %. A bought option costs its premium whatever the product; a sold option holds 20 % of
its strike value. Only what opens or widens a position needs margin, what closes one is free.
"""

from decimal import Decimal

from libs.paper.accounts import ZERO, PaperAccount
from libs.paper.instruments import PaperInstrument
from libs.paper.orders import OrderRequest
from libs.trading.orders import Product, Side

RATES = {
    Product.DELIVERY: Decimal(1),
    Product.INTRADAY: Decimal("0.20"),
    Product.CARRY_FORWARD: Decimal("0.20"),
    Product.MTF: Decimal("0.50"),
}


def margin(
    instrument: PaperInstrument, product: Product, side: Side, quantity: int, price: Decimal
) -> Decimal:
    """Tell what an open quantity holds at this price."""
    if product is Product.DELIVERY and side is Side.SELL:
        return ZERO
    strike = instrument.parsed.strike
    if instrument.is_option and strike is not None:
        return price * quantity if side is Side.BUY else strike * quantity * Decimal("0.20")
    return price * quantity * RATES[product]


def order_margin(
    account: PaperAccount,
    instrument: PaperInstrument,
    request: OrderRequest,
    quantity: int,
    price: Decimal,
) -> Decimal:
    """Tell what a new order must block: only the part that does not close a position."""
    opening = quantity - closable(account, request, quantity)
    return margin(instrument, request.product, request.side, opening, price)


def closable(account: PaperAccount, request: OrderRequest, quantity: int) -> int:
    """Count how much of this order would close an open position no other order is closing."""
    against = -account.net(request.instrument, request.product) * request.side.sign
    taken = account.working_quantity(request.instrument, request.product, request.side)
    return max(0, min(quantity, against - taken))


def missing_shares(account: PaperAccount, request: OrderRequest, quantity: int) -> int:
    """Count the shares a delivery sale lacks; 0 for every other order."""
    if request.product is not Product.DELIVERY or request.side is Side.BUY:
        return 0
    owned = account.held(request.instrument) + account.net(request.instrument, request.product)
    promised = account.working_quantity(request.instrument, request.product, Side.SELL)
    return max(0, quantity - (owned - promised))
