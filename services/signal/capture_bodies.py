"""The JSON about capture, and every no about it."""

from datetime import datetime
from decimal import Decimal
from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, Field

from libs.contracts.fields import Body
from libs.runtime.problems import Problem
from libs.trading.orders import OrderStatus, OrderType, Product, Side
from libs.trading.signals import SignalAction
from services.signal.capture_decision import Capture, CapturedOrder

_REST = "follows somebody, and its broker does not mark our orders: they would be copied again"


class CaptureBody(Body):
    account_id: UUID
    on: Annotated[bool, Field(strict=True)]


class CaptureAnswer(BaseModel):
    """Orders placed from `began_at` on become signals. `problem` says why none does just now."""

    strategy_id: str
    account_id: str
    broker: str
    on: bool
    began_at: datetime
    problem: str


class CapturedOrderAnswer(BaseModel):
    """A new order of the account; without `signal_id` it was not copied, `problem` says why."""

    broker_order_id: str
    placed_at: datetime
    status: OrderStatus
    instrument: str | None
    side: Side | None
    product: Product | None
    order_type: OrderType | None
    quantity: int | None
    limit_price: Decimal | None
    trigger_price: Decimal | None
    filled_quantity: int
    action: SignalAction | None
    signal_id: str | None
    changes: int
    problem: str


class CapturedOrdersAnswer(BaseModel):
    """Newest first, those of the last days. `cursor` is the `before` of the next page."""

    orders: list[CapturedOrderAnswer]
    cursor: str | None


def capture_answer(capture: Capture, *, tags_echoed: bool) -> CaptureAnswer:
    echoes = capture.is_on and capture.follows_too and not tags_echoed
    return CaptureAnswer(
        strategy_id=capture.strategy_id,
        account_id=capture.account_id,
        broker=capture.broker,
        on=capture.is_on,
        began_at=capture.began_at,
        problem=f"Nothing is captured: this account {_REST}." if echoes else "",
    )


def captured_answer(order: CapturedOrder) -> CapturedOrderAnswer:
    terms = order.terms
    return CapturedOrderAnswer(
        broker_order_id=order.broker_order_id,
        placed_at=order.placed_at,
        status=order.status,
        instrument=order.instrument,
        side=order.side,
        product=order.product,
        order_type=terms.order_type if terms else None,
        quantity=terms.quantity if terms else None,
        limit_price=terms.limit_price if terms else None,
        trigger_price=terms.trigger_price if terms else None,
        filled_quantity=order.filled_quantity,
        action=order.action,
        signal_id=order.signal_id,
        changes=order.changes,
        problem=order.problem,
    )


def cursor_of(order: CapturedOrder) -> str:
    return f"{order.placed_at.isoformat()}~{order.broker_order_id}"


def before_of(cursor: str | None) -> tuple[datetime, str] | None:
    """Read a cursor. Raise `Problem` for what is none."""
    if cursor is None:
        return None
    at, tilde, order_id = cursor.partition("~")
    try:
        instant = datetime.fromisoformat(at)
    except ValueError:
        instant = None
    if not tilde or instant is None or instant.tzinfo is None:
        raise Problem(
            422, "INVALID", "before: must be the cursor of the page before", field="before"
        )
    return instant, order_id


def capture_unknown() -> Problem:
    return Problem(
        404, "CAPTURE_UNKNOWN", "This strategy has no capture. PUT it with an account of yours."
    )


def login_taken() -> Problem:
    return Problem(
        409,
        "ALREADY_CAPTURED",
        "account_id: another strategy captures this broker account. Turn that one off first.",
        field="account_id",
    )


def would_echo() -> Problem:
    return Problem(
        409,
        "WOULD_ECHO",
        f"account_id: this account {_REST}. End what it follows, or capture another account.",
        field="account_id",
    )
