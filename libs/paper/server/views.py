"""Books, market and knobs as the control routes show them: our words, decimal strings."""

from dataclasses import asdict
from typing import Any

import orjson
from fastapi.responses import Response

from libs.paper.accounts import PaperAccount
from libs.paper.orders import PaperOrder
from libs.paper.server.desk import Desk
from libs.paper.server.knobs import Knob
from libs.paper.server.records import terms_record

_OPTIONS = orjson.OPT_UTC_Z


def json_response(content: object, status: int = 200) -> Response:
    body = orjson.dumps(content, default=_plain, option=_OPTIONS)
    return Response(body, status, media_type="application/json")


def book(desk: Desk, client_id: str) -> dict[str, Any]:
    """Show everything the exchange holds for one account today."""
    account = desk.exchange.account(client_id)
    return {
        "client_id": client_id,
        "funds": _funds(account),
        "orders": [order_view(desk, order) for order in account.orders.values()],
        "trades": [
            {
                "order_id": desk.order_id(trade.order),
                "number": trade.number,
                "quantity": trade.quantity,
                "price": trade.price,
                "at": trade.at,
            }
            for trade in account.trades
        ],
        "positions": [asdict(position) for position in account.positions.values()],
        "holdings": [asdict(holding) for holding in account.holdings.values()],
    }


def order_view(desk: Desk, order: PaperOrder) -> dict[str, Any]:
    request = order.request
    return {
        "order_id": desk.order_id(order),
        "tag": request.tag,
        "by_owner": request.by_owner,
        "instrument": request.instrument,
        "side": request.side,
        "product": request.product,
        "validity": request.validity,
        **terms_record(order.terms),
        "status": order.status,
        "filled_quantity": order.filled_quantity,
        "average_price": order.average_price,
        "message": order.message,
        "created_at": order.created_at,
        "updated_at": order.updated_at,
    }


def market(desk: Desk) -> dict[str, Any]:
    exchange = desk.exchange
    return {
        "at": desk.clock(),
        "walking": desk.walking,
        "accounts": len(exchange.accounts),
        "orders_created": exchange.orders_created,
        "instruments": len(exchange.instruments),
        "journal_last": desk.journal.last_number,
    }


def knob(setting: Knob) -> dict[str, Any]:
    fields = ((name, getattr(setting, name)) for name in Knob.__slots__ if name[0] != "_")
    return {**dict(fields), "operations": sorted(setting.operations)}


def _funds(account: PaperAccount) -> dict[str, Any]:
    return {
        "cash": account.cash,
        "available": account.available,
        "blocked": account.blocked,
        "used": account.used,
        "realised": account.realised,
    }


def _plain(value: object) -> object:
    return sorted(value) if isinstance(value, frozenset) else str(value)
