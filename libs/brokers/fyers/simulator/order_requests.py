"""The bodies of place and modify, checked field by field as the v3 reference asks."""

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, TypeVar

from libs.brokers.fyers.simulator.catalogue import Symbol, catalogue
from libs.brokers.fyers.simulator.codes import ORDER_TYPES, PRODUCTS, SIDES, VALIDITIES
from libs.brokers.fyers.simulator.replies import Refused
from libs.paper.orders import OrderRequest
from libs.trading.orders import OrderTerms

_TAG = re.compile(r"[A-Za-z0-9]{1,30}")
_NOT_YET = ("takeProfit", "stopLoss", "isSliceOrder")

Body = Mapping[str, Any]
Choice = TypeVar("Choice")


def body_of(parsed: object) -> Body:
    """Insist on a JSON object."""
    if not isinstance(parsed, dict):
        raise Refused(-50, "Invalid parameters: the body must be a JSON object")
    return parsed


def placed(body: Body, client_id: str) -> OrderRequest:
    """Read a place request. Raise `Refused` for the first field that is wrong."""
    symbol = _symbol(body)
    _refuse_what_is_not_simulated(body)
    _whole(body, "disclosedQty", minimum=0, default=0)
    if not isinstance(body.get("offlineOrder", False), bool):
        raise Refused(-50, "Invalid parameters: offlineOrder must be true or false")
    return OrderRequest(
        client_id=client_id,
        instrument=symbol.name,
        side=_choice(body, "side", SIDES),
        product=_choice(body, "productType", PRODUCTS),
        validity=_choice(body, "validity", VALIDITIES),
        terms=_terms(body),
        tag=_tag(body, client_id),
    )


def modified(body: Body, current: OrderTerms) -> OrderTerms:
    """Read the new absolute terms of a modification; what is left out stays as it is."""
    order_type = _choice(body, "type", ORDER_TYPES)
    limit = _price(body, "limitPrice") if "limitPrice" in body else current.limit_price
    trigger = _price(body, "stopPrice") if "stopPrice" in body else current.trigger_price
    return OrderTerms(
        order_type=order_type,
        quantity=_whole(body, "qty", minimum=1, default=current.quantity),
        limit_price=limit if order_type.has_limit_price else None,
        trigger_price=trigger if order_type.has_trigger_price else None,
    )


def order_id_in(body: Body) -> str:
    given = body.get("id")
    if not isinstance(given, str) or not given:
        raise Refused(-50, "Invalid parameters: id is required")
    return given


def _symbol(body: Body) -> Symbol:
    symbol = catalogue().by_ticker.get(str(body.get("symbol")))
    if symbol is None:
        raise Refused(-300, f"Invalid symbol {body.get('symbol')!r}")
    return symbol


def _terms(body: Body) -> OrderTerms:
    order_type = _choice(body, "type", ORDER_TYPES)
    return OrderTerms(
        order_type=order_type,
        quantity=_whole(body, "qty", minimum=1),
        limit_price=_price(body, "limitPrice"),
        trigger_price=_price(body, "stopPrice"),
    )


def _tag(body: Body, client_id: str) -> str:
    tag = body.get("orderTag", "")
    if tag == "":
        return ""
    if not isinstance(tag, str) or not _TAG.fullmatch(tag) or tag in {client_id, "Untagged"}:
        raise Refused(-50, "Invalid parameters: orderTag must be 1 to 30 alphanumeric characters")
    return tag


def _refuse_what_is_not_simulated(body: Body) -> None:
    for field in _NOT_YET:
        if body.get(field):
            raise Refused(-50, f"Invalid parameters: {field} is not simulated")


def _choice(body: Body, field: str, choices: Mapping[Any, Choice]) -> Choice:
    value = body.get(field)
    # JSON's true equals 1 in Python, and 1.0 does too: only the very type counts.
    if type(value) not in {int, str} or value not in choices:
        allowed = ", ".join(map(str, choices))
        raise Refused(-50, f"Invalid parameters: {field} must be one of {allowed}")
    return choices[value]


def _whole(body: Body, field: str, *, minimum: int, default: int | None = None) -> int:
    value = body.get(field, default)
    if type(value) is not int or value < minimum:
        raise Refused(-50, f"Invalid parameters: {field} must be a whole number from {minimum}")
    return value


def _price(body: Body, field: str) -> Decimal | None:
    """Read a price; 0 or none at all means that the order has none."""
    value = body.get(field, 0)
    if type(value) not in {int, float} or not 0 <= value < 10_000_000:
        raise Refused(-50, f"Invalid parameters: {field} must be a number from 0")
    return Decimal(repr(value)) if value else None
