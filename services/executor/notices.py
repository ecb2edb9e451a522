"""Which transitions a follower must be told about, as messages for the outbox. Pure."""

from collections.abc import Sequence

from libs.contracts.notices import notice_message
from libs.runtime.outbox import OutboxMessage
from libs.trading.events import NoticeKind
from libs.trading.states import OrderState
from services.executor.recording import Moved

_TOLD = {
    OrderState.REJECTED: "ORDER_REJECTED",
    OrderState.NEEDS_ATTENTION: "ORDER_NEEDS_ATTENTION",
    OrderState.NOT_PLACED: "ORDER_NOT_PLACED",
}


def notices_of(moved: Sequence[Moved]) -> list[OutboxMessage]:
    """Tell the follower what did not go as copied; an unclear order tells the operators too."""
    messages = []
    for move in moved:
        code = _TOLD.get(move.change.state)
        if code is None or move.source is move.change.state:
            continue
        messages.append(_message(move, code, move.row.user_id))
        if move.change.state is OrderState.NEEDS_ATTENTION:
            messages.append(_message(move, code, None))
    return messages


def _message(move: Moved, code: str, user_id: str | None) -> OutboxMessage:
    return notice_message(
        NoticeKind.NOTIFICATION,
        code=code,
        subject=f"order:{move.row.order_id}",
        user_id=user_id,
        figures={
            "instrument": move.row.instrument,
            "quantity": str(move.row.quantity),
            "reason": move.change.reason or "",
            "message": move.change.message,
        },
    )
