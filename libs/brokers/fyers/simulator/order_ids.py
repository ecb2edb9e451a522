"""How FYERS names orders: `YYMMDD` of the Indian date, then eight digits; other ids derive."""

import uuid

from libs.paper.orders import PaperOrder, PaperTrade
from libs.trading.calendar import trading_day

_NAMESPACE = uuid.UUID("5e1a2f6c-7f0e-4d5e-9a43-1f1c0a6d3b90")


def order_id(order: PaperOrder) -> str:
    return f"{trading_day(order.created_at):%y%m%d}{order.number:08d}"


def number_of(text: str) -> int | None:
    """Read the order's number from its id, None when it is no id of ours."""
    return int(text[6:]) if len(text) == 14 and text.isascii() and text.isdigit() else None


def exchange_order_id(order: PaperOrder) -> str:
    return f"1100{order.number:012d}"


def uuid_of(order: PaperOrder) -> str:
    return str(uuid.uuid5(_NAMESPACE, order_id(order)))


def trade_number(trade: PaperTrade) -> str:
    return f"{order_id(trade.order)}-{trade.number}"
