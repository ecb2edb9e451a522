"""What the exchange checks before it takes an order: pure questions with an answer in words."""

from decimal import Decimal

from libs.paper.instruments import PaperInstrument
from libs.trading.orders import OrderTerms, OrderType, Product, Side


def invalid(instrument: PaperInstrument, product: Product, terms: OrderTerms) -> str | None:
    """Say what makes these terms no order at all (nothing is written down), or None."""
    if problem := terms.problem():
        return problem
    if terms.quantity % instrument.lot_size:
        return f"quantity {terms.quantity} is not a multiple of the lot {instrument.lot_size}"
    for price in (terms.limit_price, terms.trigger_price):
        if price is not None and price % instrument.tick_size:
            return f"price {price} is off the {instrument.tick_size} tick"
    if product in {Product.DELIVERY, Product.MTF} and not instrument.is_cash:
        return f"{product} is for cash instruments only"
    if product is Product.CARRY_FORWARD and instrument.is_cash:
        return f"{product} is for derivatives only"
    return None


def rejected(
    instrument: PaperInstrument, side: Side, terms: OrderTerms, last_price: Decimal
) -> str | None:
    """Say why the exchange rejects an otherwise well-formed order, or None."""
    freeze = instrument.freeze_quantity
    if freeze is not None and terms.quantity > freeze:
        return f"quantity {terms.quantity} is above the freeze quantity {freeze}"
    low, high = instrument.lower_circuit, instrument.upper_circuit
    for price in (terms.limit_price, terms.trigger_price):
        if price is not None and not low <= price <= high:
            return f"price {price} is outside the circuit {low} to {high}"
    return _wrong_stop(side, terms, last_price)


def _wrong_stop(side: Side, terms: OrderTerms, last_price: Decimal) -> str | None:
    trigger, limit = terms.trigger_price, terms.limit_price
    if trigger is None:
        return None
    if (trigger - last_price) * side.sign < 0:
        where = "below" if side is Side.BUY else "above"
        return f"trigger price {trigger} of a {side.lower()} is {where} the last price {last_price}"
    if limit is not None and (limit - trigger) * side.sign < 0:
        return f"trigger price {trigger} is beyond the limit price {limit}"
    return None


def is_triggered(side: Side, terms: OrderTerms, last_price: Decimal) -> bool:
    trigger = terms.trigger_price
    return trigger is None or (last_price - trigger) * side.sign >= 0


def is_marketable(side: Side, terms: OrderTerms, last_price: Decimal) -> bool:
    """Tell whether a live (not waiting for its trigger) order trades at this last price."""
    if terms.order_type in {OrderType.MARKET, OrderType.STOP} or terms.limit_price is None:
        return True
    return (terms.limit_price - last_price) * side.sign >= 0
