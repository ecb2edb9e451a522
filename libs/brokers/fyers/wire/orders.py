"""Orders on the FYERS wire: request bodies and order book rows (API v3 reference, orders)."""

from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from typing import Any
from urllib.parse import quote

import orjson

from libs.brokers.errors import AnswerUnreadable
from libs.brokers.fyers.wire.values import (
    ORDER_TYPE_OF,
    ORDER_TYPES,
    PRODUCT_OF,
    PRODUCTS,
    SIDE_OF,
    SIDES,
    VALIDITIES,
    VALIDITY_OF,
    instant_of,
    meaning_of,
    price_of,
    tag_of,
    text_of,
    whole_of,
)
from libs.trading.orders import OrderExtra, OrderIntent, OrderReport, OrderStatus, OrderTerms

# Cover and bracket orders: one order with its ways out attached.
_WITH_LEGS = ("CO", "BO")

NameOf = Callable[[str], str | None]

STATUSES: Mapping[object, OrderStatus] = {
    1: OrderStatus.CANCELLED,
    2: OrderStatus.FILLED,
    4: OrderStatus.ACKED,
    5: OrderStatus.REJECTED,
    6: OrderStatus.OPEN,
    7: OrderStatus.LAPSED,
    # The socket's internal scale, seen where the public one should stand.
    20: OrderStatus.ACKED,
    90: OrderStatus.FILLED,
}
_WORKING = frozenset({OrderStatus.ACKED, OrderStatus.OPEN})


def place_payload(intent: OrderIntent, symbol: str) -> bytes:
    """Write the body of a new order. Stop loss and take profit are left out: unused legs."""
    terms = intent.terms
    return orjson.dumps(
        {
            "symbol": symbol,
            "qty": terms.quantity,
            "type": ORDER_TYPES[terms.order_type],
            "side": SIDES[intent.side],
            "productType": PRODUCTS[intent.product],
            "limitPrice": _number(terms.limit_price),
            "stopPrice": _number(terms.trigger_price),
            "disclosedQty": 0,
            "validity": VALIDITIES[intent.validity],
            "offlineOrder": False,
            "orderTag": intent.client_order_id,
        }
    )


def modify_payload(broker_order_id: str, terms: OrderTerms) -> bytes:
    """Write absolute new terms; what an order type does not have is left out."""
    payload: dict[str, Any] = {
        "id": broker_order_id,
        "type": ORDER_TYPES[terms.order_type],
        "qty": terms.quantity,
    }
    if terms.limit_price is not None:
        payload["limitPrice"] = _number(terms.limit_price)
    if terms.trigger_price is not None:
        payload["stopPrice"] = _number(terms.trigger_price)
    return orjson.dumps(payload)


def cancel_payload(broker_order_id: str) -> bytes:
    return orjson.dumps({"id": broker_order_id})


def order_id_query(broker_order_id: str) -> str:
    return f"id={quote(broker_order_id, safe='')}"


def order_tag_query(client_order_id: str) -> str:
    """Ask the book for one tag; `1:` says that it is a caller's."""
    return f"order_tag={quote(f'1:{client_order_id}', safe='')}"


def order_in_book(row: Mapping[str, Any], name_of: NameOf) -> OrderReport:
    """Read one row of the order book."""
    status, filled = _standing(row)
    order_id = text_of(row.get("id"))
    if order_id is None:
        raise AnswerUnreadable("an order without an id")
    return OrderReport(
        status=status,
        broker_order_id=order_id,
        client_order_id=tag_of(row.get("orderTag")),
        exchange_order_id=text_of(row.get("exchOrdId")),
        instrument=name_of(str(row.get("symbol", ""))),
        side=meaning_of(SIDE_OF, row.get("side")),
        product=meaning_of(PRODUCT_OF, row.get("productType")),
        terms=_terms(row),
        filled_quantity=filled,
        average_price=price_of(row.get("tradedPrice")) if filled else None,
        message=str(row.get("message") or ""),
        at=instant_of(row.get("update_time_epoch_oms"), row.get("orderDateTime")),
        placed_at=instant_of(None, row.get("orderDateTime")),
        validity=meaning_of(VALIDITY_OF, row.get("orderValidity")),
        extras=frozenset(_extras(row)),
    )


def _extras(row: Mapping[str, Any]) -> Iterator[OrderExtra]:
    """List what the owner's own orders may have beside their terms. Garbled fields are none."""
    if row.get("offlineOrder") is True:
        yield OrderExtra.AFTER_MARKET
    if _given(row.get("disclosedQty")) or _given(row.get("discloseQty")):
        yield OrderExtra.DISCLOSED_QUANTITY
    attached = _given(row.get("takeProfit")) or _given(row.get("stopLoss"))
    if attached or row.get("productType") in _WITH_LEGS or text_of(row.get("parentId")):
        yield OrderExtra.ATTACHED_EXITS


def _given(value: object) -> bool:
    return isinstance(value, int | float) and value > 0


def _standing(row: Mapping[str, Any]) -> tuple[OrderStatus, int]:
    """Read status and cumulative fill; an unknown status is an order of unknown progress."""
    status = meaning_of(STATUSES, row.get("status")) or OrderStatus.ACKED
    filled = whole_of(row.get("filledQty"))
    if status is OrderStatus.FILLED and not filled:
        filled = whole_of(row.get("qty")) - whole_of(row.get("remainingQuantity"))
    if status in _WORKING and filled:
        status = OrderStatus.PARTIAL
    return status, filled


def _terms(row: Mapping[str, Any]) -> OrderTerms | None:
    order_type = meaning_of(ORDER_TYPE_OF, row.get("type"))
    if order_type is None:
        return None
    return OrderTerms(
        order_type=order_type,
        quantity=whole_of(row.get("qty")),
        limit_price=price_of(row.get("limitPrice")) if order_type.has_limit_price else None,
        trigger_price=price_of(row.get("stopPrice")) if order_type.has_trigger_price else None,
    )


def _number(price: Decimal | None) -> orjson.Fragment | int:
    """Write a price digit by digit; a float would round."""
    return 0 if price is None else orjson.Fragment(f"{price:f}")
