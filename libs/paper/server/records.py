"""Exchange commands as journal records and back: what a restart replays."""

from datetime import datetime
from decimal import Decimal

from libs.paper.fills import FillScript, FillStep
from libs.paper.orders import OrderRequest, PaperOrder
from libs.paper.server.journal import Record
from libs.trading.orders import OrderTerms, OrderType, Product, Side, Validity


def terms_record(terms: OrderTerms) -> Record:
    return {
        "order_type": terms.order_type,
        "quantity": terms.quantity,
        "limit_price": terms.limit_price,
        "trigger_price": terms.trigger_price,
    }


def terms_of(record: Record) -> OrderTerms:
    return OrderTerms(
        order_type=OrderType(record["order_type"]),
        quantity=record["quantity"],
        limit_price=_price(record["limit_price"]),
        trigger_price=_price(record["trigger_price"]),
    )


def created_record(order: PaperOrder, order_id: str) -> Record:
    """Describe an order as it stands right after it was placed: a creation in the journal."""
    request = order.request
    return {
        "kind": "order",
        "at": order.created_at,
        "order_id": order_id,
        "number": order.number,
        "client_id": request.client_id,
        "tag": request.tag,
        "by_owner": request.by_owner,
        "instrument": request.instrument,
        "side": request.side,
        "product": request.product,
        "validity": request.validity,
        **terms_record(order.request.terms),
        "status": order.status,
        "message": order.message,
    }


def request_of(record: Record) -> OrderRequest:
    return OrderRequest(
        client_id=record["client_id"],
        instrument=record["instrument"],
        side=Side(record["side"]),
        product=Product(record["product"]),
        validity=Validity(record["validity"]),
        terms=terms_of(record),
        tag=record["tag"],
        # Absent in journals of earlier versions.
        by_owner=record.get("by_owner", False),
    )


def script_record(script: FillScript) -> Record:
    return {
        "client_id": script.client_id,
        "instrument": script.instrument,
        "orders": script.orders,
        "steps": [[step.percent, step.after_s] for step in script.steps],
    }


def script_of(record: Record) -> FillScript:
    return FillScript(
        client_id=record["client_id"],
        instrument=record["instrument"],
        orders=record["orders"],
        steps=[FillStep(percent=percent, after_s=after_s) for percent, after_s in record["steps"]],
    )


def instant_of(record: Record) -> datetime:
    return datetime.fromisoformat(record["at"])


def _price(text: str | None) -> Decimal | None:
    return None if text is None else Decimal(text)
