"""What the order socket pushes: raw snake_case messages; fields that are zero or empty are absent.

Names from the raw example and the SDK's `map.json` (3.2.0). `ord_status` is FYERS's internal
scale: 20 and 90 are known, the others repeat `org_ord_status`.
"""

from datetime import datetime
from decimal import Decimal
from typing import Any

import orjson

from libs.brokers.fyers.simulator import order_ids
from libs.brokers.fyers.simulator.catalogue import catalogue
from libs.brokers.fyers.simulator.codes import (
    PRODUCT_OF,
    SIDE_OF,
    STATUS_OF,
    TYPE_OF,
    VALIDITY_OF,
)
from libs.brokers.fyers.simulator.payloads import (
    averages,
    book_time,
    echoed_tag,
    number,
    position_side,
    source_of,
)
from libs.paper.accounts import PaperPosition
from libs.paper.orders import PaperOrder, PaperTrade
from libs.trading.calendar import IST
from libs.trading.orders import OrderStatus

_INTERNAL_STATUS = {4: 20, 2: 90}
_ALWAYS = frozenset({"instrument", "offline_flag"})
_WORDS = {
    OrderStatus.ACKED: "New Ack",
    OrderStatus.OPEN: "Pending",
    OrderStatus.PARTIAL: "Partially filled",
    OrderStatus.FILLED: "Complete",
    OrderStatus.CANCELLED: "Cancelled",
    OrderStatus.REJECTED: "Rejected",
    OrderStatus.LAPSED: "Expired",
}


def order_message(order: PaperOrder, *, tag: str, tick_size: Decimal, lot_size: int) -> str:
    request, terms = order.request, order.terms
    symbol = catalogue().by_name[request.instrument]
    status = STATUS_OF[order.status]
    updated = int(order.updated_at.timestamp())
    return _message(
        "orders",
        {
            "client_id": request.client_id,
            "exchange": symbol.exchange,
            "fy_token": symbol.fy_token,
            "id": order_ids.order_id(order),
            "id_exchange": order_ids.exchange_order_id(order) if status not in {4, 5} else "",
            "id_fyers": order_ids.uuid_of(order),
            "instrument": symbol.instrument_type,
            "lot_size": lot_size,
            "offline_flag": False,
            "oms_flag": "K:1",
            "ord_source": source_of(order),
            "ord_status": _INTERNAL_STATUS.get(status, status),
            "ord_type": TYPE_OF[terms.order_type],
            "ordertag": echoed_tag(tag),
            "org_ord_status": status,
            "precision": 2,
            "price_limit": number(terms.limit_price),
            "price_stop": number(terms.trigger_price),
            "price_traded": number(order.average_price),
            "price_multiplier": 1,
            "product_type": PRODUCT_OF[request.product],
            "qty": terms.quantity,
            "qty_filled": order.filled_quantity,
            "qty_multiplier": 1,
            "qty_remaining": order.remaining if order.is_working else 0,
            "report_type": _WORDS[order.status],
            "segment": symbol.segment,
            "status_msg": order.message or _WORDS[order.status],
            "oms_msg": order.message,
            "symbol": symbol.ticker,
            "symbol_desc": symbol.description,
            "symbol_exch": symbol.short_name,
            "tick_size": float(tick_size),
            "time_epoch_oms": int(order.created_at.timestamp()),
            "time_exch": "NA",
            "time_oms": book_time(order.created_at),
            "tran_side": SIDE_OF[request.side],
            "update_time_epoch_oms": updated,
            "update_time_exch": book_time(order.updated_at),
            "validity": VALIDITY_OF[request.validity],
        },
    )


def trade_message(trade: PaperTrade, *, tag: str) -> str:
    request = trade.order.request
    symbol = catalogue().by_name[request.instrument]
    return _message(
        "trades",
        {
            "client_id": request.client_id,
            "exchange": symbol.exchange,
            "fill_time": _fill_time(trade.at),
            "fy_token": symbol.fy_token,
            "id": order_ids.order_id(trade.order),
            "id_exchange": order_ids.exchange_order_id(trade.order),
            "id_fill": order_ids.trade_number(trade),
            "ord_type": TYPE_OF[trade.order.terms.order_type],
            "ordertag": echoed_tag(tag),
            "price_traded": number(trade.price),
            "product_type": PRODUCT_OF[request.product],
            "qty_traded": trade.quantity,
            "segment": symbol.segment,
            "symbol": symbol.ticker,
            "traded_val": number(trade.value),
            "tran_side": SIDE_OF[request.side],
        },
    )


def position_message(position: PaperPosition, last_price: Decimal) -> str:
    symbol = catalogue().by_name[position.instrument]
    product = PRODUCT_OF[position.product]
    unrealised = position.unrealised(last_price)
    buy_average, sell_average = averages(position)
    return _message(
        "positions",
        {
            "buy_avg": number(buy_average),
            "buy_qty": position.buy_quantity,
            "buy_val": number(position.buy_value),
            "cf_buy_qty": max(position.carried, 0),
            "cf_sell_qty": max(-position.carried, 0),
            "cross_curr_flag": "N",
            "day_buy_qty": position.buy_quantity,
            "day_sell_qty": position.sell_quantity,
            "exchange": symbol.exchange,
            "fy_token": symbol.fy_token,
            "id": f"{symbol.ticker}-{product}",
            "net_avg": number(position.average),
            "net_qty": position.net,
            "pl_realized": number(position.realised),
            "pl_total": number(position.realised + unrealised),
            "pl_unrealized": number(unrealised),
            "product_type": product,
            "qty": abs(position.net),
            "qty_multiplier": 1,
            "rbirefrate": 1,
            "segment": symbol.segment,
            "sell_avg": number(sell_average),
            "sell_qty": position.sell_quantity,
            "sell_val": number(position.sell_value),
            "symbol": symbol.ticker,
            "tran_side": position_side(position),
        },
    )


def _fill_time(at: datetime) -> str:
    return at.astimezone(IST).strftime("%d-%m-%Y %H:%M:%S")


def _message(kind: str, facts: dict[str, Any]) -> str:
    filled = {name: value for name, value in facts.items() if value or name in _ALWAYS}
    return orjson.dumps({kind: filled, "s": "ok"}).decode()
