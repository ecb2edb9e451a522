"""Before following: what given rules would have brought of a strategy's last trades."""

from datetime import datetime
from decimal import Decimal
from typing import Annotated

from fastapi import APIRouter, Request
from pydantic import BaseModel

from libs.runtime.identity import Principal, Role, requires
from libs.trading.orders import OrderType, Product, Side
from libs.trading.reasons import SkipReason
from services.executor.preview import (
    NOT_JUDGED_SENTENCES,
    Judged,
    NotJudged,
    Outcome,
    Preview,
)
from services.executor.previewing import PreviewBody, Previews
from services.executor.rows import Shape

Follower = Annotated[Principal, requires(Role.FOLLOWER)]

NO_TRADES = "There are no trades of this strategy yet."

router = APIRouter()


class PreviewOrder(BaseModel):
    """One order as it would have been sent; a large one is cut into several."""

    side: Side
    product: Product
    order_type: OrderType
    quantity: int
    limit_price: Decimal | None
    trigger_price: Decimal | None


class MastersTrade(BaseModel):
    """What the master did. `quantity` is what was filled, where a strategy copies fills."""

    side: Side
    product: Product
    order_type: OrderType
    quantity: int
    limit_price: Decimal | None
    trigger_price: Decimal | None
    master_price: Decimal | None


class PreviewTrade(BaseModel):
    """`reason` and `message` say why there are no orders; `value` is in rupees, null if unknown."""

    signal_id: str
    seq: int
    at: datetime
    instrument: str
    master: MastersTrade
    outcome: Outcome
    orders: list[PreviewOrder]
    value: Decimal | None
    reason: SkipReason | None
    message: str


class PreviewSummary(BaseModel):
    """`value` sums up the copied trades whose value is known, `without_value` counts the others.

    `left_out` and `not_judged` count trades by reason.
    """

    trades: int
    copied: int
    left_out: dict[SkipReason, int]
    not_judged: dict[SkipReason, int]
    value: Decimal
    without_value: int


class PreviewCaution(BaseModel):
    what: NotJudged
    message: str


class PreviewAnswer(BaseModel):
    """Newest first. `not_judged` says what of those moments is not known any more."""

    trades: list[PreviewTrade]
    summary: PreviewSummary
    not_judged: list[PreviewCaution]
    message: str


@router.post("/preview", tags=["preview"])
async def preview_follow(request: Request, follower: Follower, body: PreviewBody) -> PreviewAnswer:
    """Tell what a follower with these rules would have got of the strategy's last 20 trades.

    Nothing is stored and nothing is sent. The trades are judged as a follow's would be, each at
    its own time, the account's limits included; what cannot be known of that time is named.
    """
    previews: Previews = request.app.state.previews
    return _answer(await previews.of(follower.user_id, body))


def _answer(preview: Preview) -> PreviewAnswer:
    return PreviewAnswer(
        trades=[_trade(trade) for trade in preview.trades],
        summary=PreviewSummary(
            trades=len(preview.trades),
            copied=preview.copied,
            left_out=preview.reasons(Outcome.LEFT_OUT),
            not_judged=preview.reasons(Outcome.NOT_JUDGED),
            value=preview.value,
            without_value=preview.valueless,
        ),
        not_judged=[
            PreviewCaution(what=what, message=NOT_JUDGED_SENTENCES[what])
            for what in preview.not_judged
        ],
        message="" if preview.trades else NO_TRADES,
    )


def _trade(trade: Judged) -> PreviewTrade:
    signal = trade.signal
    return PreviewTrade(
        signal_id=signal.signal_id,
        seq=signal.seq,
        at=signal.stamps.accepted_at,
        instrument=signal.instrument,
        master=_master(trade),
        outcome=trade.outcome,
        orders=[_order(shape) for shape in trade.shapes],
        value=trade.value,
        reason=trade.reason,
        message=trade.message,
    )


def _master(trade: Judged) -> MastersTrade:
    signal = trade.signal
    if signal.side is None or signal.product is None or signal.terms is None:
        raise ValueError(f"signal {signal.signal_id}: {signal.action} is no entry")
    quantity = signal.terms.quantity
    if signal.filled_after is not None:
        quantity = signal.filled_after - signal.filled_before
    return MastersTrade(
        side=signal.side,
        product=signal.product,
        order_type=signal.terms.order_type,
        quantity=quantity,
        limit_price=signal.terms.limit_price,
        trigger_price=signal.terms.trigger_price,
        master_price=signal.master_price,
    )


def _order(shape: Shape) -> PreviewOrder:
    return PreviewOrder(
        side=shape.side,
        product=shape.product,
        order_type=shape.terms.order_type,
        quantity=shape.terms.quantity,
        limit_price=shape.terms.limit_price,
        trigger_price=shape.terms.trigger_price,
    )
