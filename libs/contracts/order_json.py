"""A follower order as JSON: the same shape from `GET /orders` and on the websocket."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from libs.trading.events import OrderChanged


def order_json(order: OrderChanged) -> dict[str, Any]:
    """Money as decimal strings, instants as UTC with Z, `change_id` as a string cursor."""
    terms = order.terms
    return {
        "order_id": order.order_id,
        "version": order.version,
        "change_id": str(order.change_id),
        "at": instant_json(order.at),
        "state": order.state.value,
        "action": order.action,
        "signal_id": order.signal_id,
        "strategy_id": order.strategy_id,
        "follow_id": order.follow_id,
        "master_id": order.master_id,
        "account_id": order.account_id,
        "broker": order.broker,
        "client_order_id": order.client_order_id,
        "instrument": order.instrument,
        "side": order.side.value,
        "product": order.product.value,
        "order_type": terms.order_type.value,
        "quantity": terms.quantity,
        "limit_price": money_json(terms.limit_price),
        "trigger_price": money_json(terms.trigger_price),
        "filled_quantity": order.filled_quantity,
        "average_price": money_json(order.average_price),
        "broker_order_id": order.broker_order_id,
        "environment": order.environment,
        "retry_of": order.retry_of,
        "reason": order.reason,
        "message": order.message,
        "figures": order.figures,
        "planned_at": instant_json(order.planned_at),
        "accepted_at": instant_json(order.accepted_at),
        "sent_at": instant_json(order.sent_at),
        "acknowledged_at": instant_json(order.acknowledged_at),
        "filled_at": instant_json(order.filled_at),
    }


def money_json(amount: Decimal | None) -> str | None:
    """Write plain digits, never an exponent."""
    return None if amount is None else f"{amount:f}"


def instant_json(at: datetime | None) -> str | None:
    """Write ISO 8601 in UTC with Z and, like all our texts of instants, six decimals."""
    if at is None:
        return None
    return at.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
