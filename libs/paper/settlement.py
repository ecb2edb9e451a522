"""What a position holds while open, and what becomes of it when the trading day ends."""

from decimal import Decimal

from libs.paper.accounts import ZERO, PaperAccount, PaperHolding, PaperPosition
from libs.paper.instruments import PaperInstrument
from libs.paper.margin import margin
from libs.trading.orders import Product, Side


def hold_margin(
    account: PaperAccount, position: PaperPosition, instrument: PaperInstrument
) -> None:
    """Bring the margin held for this position up to date."""
    side = Side.BUY if position.net >= 0 else Side.SELL
    held = margin(instrument, position.product, side, abs(position.net), position.average)
    account.used += held - position.margin
    position.margin = held


def settle(
    account: PaperAccount,
    position: PaperPosition,
    instrument: PaperInstrument,
    last_price: Decimal,
) -> None:
    """Carry one position over the night: square it off, deliver it or carry it, by its product."""
    del account.positions[position.instrument, position.product]
    account.used -= position.margin
    if position.product is Product.INTRADAY:
        account.realised += position.unrealised(last_price)
    elif position.product is Product.DELIVERY:
        account.cash -= position.average * position.net
        _deliver(account, position)
    elif position.net:
        carried = PaperPosition(
            instrument=position.instrument,
            product=position.product,
            net=position.net,
            average=position.average,
            carried=position.net,
        )
        account.positions[position.instrument, position.product] = carried
        hold_margin(account, carried, instrument)


def _deliver(account: PaperAccount, position: PaperPosition) -> None:
    if not position.net:
        return
    holding = account.holdings.setdefault(
        position.instrument,
        PaperHolding(instrument=position.instrument, quantity=0, average=ZERO),
    )
    quantity = holding.quantity + position.net
    if position.net > 0:
        value = holding.average * holding.quantity + position.average * position.net
        holding.average = value / quantity
    holding.quantity = quantity
    if not quantity:
        del account.holdings[position.instrument]
