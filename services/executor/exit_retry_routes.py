"""One tap tries a failed exit again: asked here, worked out by whoever serves the account."""

import asyncio
from typing import Annotated, Any
from uuid import UUID

import structlog
from fastapi import APIRouter, Request, Response

from libs.contracts.order_json import order_json
from libs.runtime.identity import Principal, Role, requires
from libs.runtime.problems import Problem
from services.executor.attention import Refusal
from services.executor.exit_retry import refusal
from services.executor.exit_retry_planning import ExitRetries
from services.executor.exit_retry_rows import Outcome
from services.executor.repository import Repository

log = structlog.get_logger()

_RETRIERS = requires(Role.FOLLOWER, Role.OPERATOR, Role.ADMIN)
_OPERATORS = frozenset({Role.OPERATOR, Role.ADMIN})

# A wish is a decision of this moment: it dies soon where nobody serves the account.
_LIVES_S = 20.0
_ANSWER_WITHIN_S = 4.0
_LOOK_EVERY_S = 0.05

_MADE = "A new order tries to close what is left."
_WAITS = "It is being worked out. If no new order appears within a minute, try again."

router = APIRouter()


@router.post("/orders/{order_id}/retry")
async def retry(
    request: Request,
    response: Response,
    principal: Annotated[Principal, _RETRIERS],
    order_id: UUID,
) -> dict[str, Any]:
    """Try a failed exit of your own again, as a new order for what is left to close.

    The same orders for every tap. 409 with the reason while the first may still be filled, and
    where nothing is left to close. 202 when nobody has worked it out yet; ask again then.
    """
    retries = _retries(request)
    sees_all = bool(principal.roles & _OPERATORS)
    order = await retries.rows.order(str(order_id), None if sees_all else principal.user_id)
    if order is None:
        raise Problem(404, "NO_SUCH_ORDER", "There is no such order.")
    made = await retries.rows.retries(order.order_id)
    if not made:
        _granted(refusal(order))
        log.info("exit_retry_asked", order_id=order.order_id, asked_by=principal.user_id)
        retry_id = await retries.rows.ask(order, principal.user_id, lives_s=_LIVES_S)
        retries.wake()
        outcome = await _outcome(retries, retry_id) if retry_id else None
        if outcome is not None and outcome.state == "REFUSED":
            raise Problem(409, outcome.reason or "REFUSED", outcome.message)
        made = await retries.rows.retries(order.order_id)
    if not made:
        response.status_code = 202
    return {
        "orders": await _orders_json(request, made),
        "message": _MADE if made else _WAITS,
    }


async def _outcome(retries: ExitRetries, retry_id: str) -> Outcome:
    """Wait a moment for the replica that serves the account."""
    deadline = asyncio.get_running_loop().time() + _ANSWER_WITHIN_S
    while True:
        outcome = await retries.rows.outcome(retry_id)
        if outcome.state != "ASKED" or asyncio.get_running_loop().time() > deadline:
            return outcome
        await asyncio.sleep(_LOOK_EVERY_S)


async def _orders_json(request: Request, order_ids: list[str]) -> list[dict[str, Any]]:
    repository: Repository = request.app.state.replica.repository
    found = [await repository.order(order_id, None) for order_id in order_ids]
    return [order_json(order) for order in found if order is not None]


def _granted(refused: Refusal | None) -> None:
    if refused is not None:
        raise Problem(409, refused.code, refused.message)


def _retries(request: Request) -> ExitRetries:
    found: ExitRetries = request.app.state.replica.reconciliation.exit_retries
    return found
