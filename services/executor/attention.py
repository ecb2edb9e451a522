"""What a person decides about an order whose evidence is not clear, and what must not be. Pure.

Transition 18. A decision never sends anything by itself: REISSUE makes a new order, which goes
through the ordinary claim.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from libs.trading.reasons import ClosedReason
from libs.trading.states import OrderState
from services.executor.rows import Change


class Decision(StrEnum):
    # This order of the broker's is the one: it stands as the broker has it.
    LINK = "LINK"
    # The broker never had it.
    MARK_NOT_PLACED = "MARK_NOT_PLACED"
    # The broker never had it, and it shall be sent anew, as another order.
    REISSUE = "REISSUE"
    # Nobody will find out; the ledger keeps the fills it knows and asks no further.
    ABANDON = "ABANDON"


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """An order that needs attention, as far as a decision must know it."""

    order_id: str
    version: int
    state: OrderState
    account_id: str
    client_order_id: str
    broker_order_id: str | None
    quantity: int
    price: Decimal | None

    @property
    def value(self) -> Decimal | None:
        """Rupees at stake, None when no price is known."""
        return None if self.price is None else self.price * self.quantity


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """An order in the broker's book that may be the one. `order_id` names an order of ours."""

    broker_order_id: str
    order_id: str | None
    client_order_id: str | None
    status: str
    side: str | None
    quantity: int | None
    limit_price: Decimal | None
    filled_quantity: int
    average_price: Decimal | None
    placed_at: datetime | None
    first_seen_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What somebody wants done. `version` is that of the order they were looking at."""

    decision: Decision
    reason: str
    version: int
    broker_order_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """Why a decision can not stand: the field that is wrong and what to do instead."""

    code: str
    message: str
    field: str | None = None


def refusal(case: Case, wish: Wish, candidates: Sequence[Candidate]) -> Refusal | None:
    """Say what forbids a decision, None when nothing does."""
    if case.state is not OrderState.NEEDS_ATTENTION or case.version != wish.version:
        return Refusal(
            code="ORDER_CHANGED",
            message="version: the order has changed since you looked. Read GET /attention again.",
            field="version",
        )
    if wish.decision is Decision.LINK:
        return _link_refusal(case, wish, candidates)
    if wish.broker_order_id is not None:
        return Refusal(
            code="INVALID",
            message=f"broker_order_id: {wish.decision} has none, leave it out",
            field="broker_order_id",
        )
    if wish.decision is Decision.ABANDON:
        return None
    seen = _seen_at_broker(case, candidates)
    if seen is not None:
        return Refusal(
            code="ORDER_AT_BROKER",
            message=f"decision: the broker shows order {seen} as this one. LINK it, or ABANDON.",
            field="decision",
        )
    return None


def change_of(wish: Wish, candidates: Sequence[Candidate]) -> Change:
    """Turn a decision that nothing forbids into the transition of its order."""
    note = f"an operator decided {wish.decision}: {wish.reason}"
    if wish.decision is Decision.ABANDON:
        return Change(state=OrderState.LAPSED, reason=ClosedReason.ABANDONED, message=note)
    if wish.decision is not Decision.LINK:
        return Change(state=OrderState.NOT_PLACED, message=note)
    row = next(c for c in candidates if c.broker_order_id == wish.broker_order_id)
    return Change(
        state=OrderState(row.status),
        message=note,
        broker_order_id=row.broker_order_id,
        filled_quantity=row.filled_quantity,
        average_price=row.average_price,
    )


def needs_second_person(case: Case, above: Decimal) -> bool:
    """Without a price nobody knows how much is at stake: two people then, too."""
    return case.value is None or case.value > above


def _link_refusal(case: Case, wish: Wish, candidates: Sequence[Candidate]) -> Refusal | None:
    if wish.broker_order_id is None:
        message = "broker_order_id: LINK needs one of the candidates of GET /attention"
        return Refusal(code="INVALID", message=message, field="broker_order_id")
    row = next((c for c in candidates if c.broker_order_id == wish.broker_order_id), None)
    if row is None:
        return Refusal(
            code="NO_SUCH_CANDIDATE",
            message=(
                f"broker_order_id: no book of this account showed {wish.broker_order_id} in this"
                " instrument. Choose one of the candidates of GET /attention."
            ),
            field="broker_order_id",
        )
    if row.order_id not in {None, case.order_id}:
        return Refusal(
            code="ALREADY_LINKED",
            message=(
                f"broker_order_id: {row.broker_order_id} is order {row.order_id} of ours already."
                " Choose another candidate."
            ),
            field="broker_order_id",
        )
    return None


def _seen_at_broker(case: Case, candidates: Sequence[Candidate]) -> str | None:
    """Find the broker's id of this very order: linked before, or carrying its tag."""
    if case.broker_order_id is not None:
        return case.broker_order_id
    return next(
        (c.broker_order_id for c in candidates if c.client_order_id == case.client_order_id), None
    )
