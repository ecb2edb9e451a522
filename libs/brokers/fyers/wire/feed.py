"""The FYERS order socket: what we say and what its raw messages mean.

FYERS API v3 reference, order websocket; key map of SDK 3.2.0. Text frames.
"""

from collections.abc import Mapping
from typing import Any

import orjson

from libs.brokers.errors import AnswerUnreadable, SessionExpired
from libs.brokers.fyers.wire.orders import STATUSES, NameOf, order_in_book
from libs.brokers.fyers.wire.replies import SESSION_CODES
from libs.brokers.fyers.wire.values import meaning_of
from libs.trading.orders import OrderReport

PING, PONG = "ping", "pong"
# An order message carries its state, cumulative fill and average price: trades add nothing to it.
SUBSCRIBE = orjson.dumps({"T": "SUB_ORD", "SLIST": ["orders"], "SUB_T": 1}).decode()
_SUBSCRIBED = 1605

# Order socket to order book, as the official SDK's map.json has it.
FEED_KEYS: Mapping[str, str] = {
    "client_id": "clientId",
    "id": "id",
    "id_parent": "parentId",
    "id_exchange": "exchOrdId",
    "qty": "qty",
    "qty_remaining": "remainingQuantity",
    "qty_filled": "filledQty",
    "price_limit": "limitPrice",
    "price_stop": "stopPrice",
    "price_traded": "tradedPrice",
    "ord_type": "type",
    "fy_token": "fyToken",
    "exchange": "exchange",
    "segment": "segment",
    "symbol": "symbol",
    "instrument": "instrument",
    "oms_msg": "message",
    "offline_flag": "offlineOrder",
    "time_oms": "orderDateTime",
    "validity": "orderValidity",
    "product_type": "productType",
    "tran_side": "side",
    "org_ord_status": "status",
    "ord_source": "source",
    "symbol_exch": "ex_sym",
    "symbol_desc": "description",
    "ordertag": "orderTag",
    "take_profit": "takeProfit",
    "stop_loss": "stopLoss",
    "leg_type": "legType",
    "id_fyers": "id_fyers",
}


def read_message(text: str | bytes) -> Mapping[str, Any]:
    """Open one frame other than a pong."""
    try:
        message = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise AnswerUnreadable("the order feed sent something that is not JSON") from error
    if not isinstance(message, dict):
        raise AnswerUnreadable("the order feed sent something that is no message")
    return message


def opens_feed(message: Mapping[str, Any]) -> bool:
    """Tell whether this message proves that we are subscribed. Raise for a refusal."""
    if message.get("s") == "error":
        code, words = message.get("code"), str(message.get("message", ""))
        if code in SESSION_CODES:
            raise SessionExpired(f"code {code}: {words}")
        raise AnswerUnreadable(f"the order feed refused, code {code}: {words}")
    return message.get("code") == _SUBSCRIBED or "orders" in message


def order_of(message: Mapping[str, Any], name_of: NameOf) -> OrderReport | None:
    """Read the order a message is about; None for any other kind of message."""
    order = message.get("orders")
    return order_in_feed(order, name_of) if isinstance(order, dict) else None


def order_in_feed(message: Mapping[str, Any], name_of: NameOf) -> OrderReport:
    """Read the `orders` part of a raw socket message; absent keys are zero or empty."""
    row = {book: message[feed] for feed, book in FEED_KEYS.items() if feed in message}
    if meaning_of(STATUSES, row.get("status")) is None:
        row["status"] = message.get("ord_status")
    row["update_time_epoch_oms"] = message.get("update_time_epoch_oms")
    return order_in_book(row, name_of)
