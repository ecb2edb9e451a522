"""Orders that need a person: what there is to see, to decide and to confirm."""

from typing import Annotated, Any
from uuid import UUID

import asyncpg
from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from libs.contracts.order_json import instant_json, money_json, order_json
from libs.runtime.identity import Principal, Role, requires
from libs.runtime.problems import Problem
from services.executor.attention import Candidate, Decision, Refusal, Wish, needs_second_person
from services.executor.attention_rows import Attention, Waiting
from services.executor.repository import Repository

_DECIDERS = requires(Role.OPERATOR, Role.ADMIN)
_VIEWERS = requires(Role.VIEWER_OPERATOR, Role.OPERATOR, Role.ADMIN)
_PAGE_MAX = 200

Decider = Annotated[Principal, _DECIDERS]

router = APIRouter()


class DecisionBody(BaseModel):
    """`version` is the order's when you looked; `broker_order_id` belongs to LINK alone."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)

    decision: Decision
    reason: Annotated[str, Field(min_length=10, max_length=500, pattern=r"^[^\x00]*$")]
    version: Annotated[int, Field(ge=1, lt=2**31)]
    broker_order_id: Annotated[
        str | None, Field(min_length=1, max_length=100, pattern=r"^[^\x00]*$")
    ] = None


@router.get("/attention", dependencies=[_VIEWERS])
async def attention(
    request: Request, limit: Annotated[int, Query(ge=1, le=_PAGE_MAX)] = 50
) -> dict[str, Any]:
    """List orders that wait for a person, the longest waiting first, with all there is to know.

    `said` is what broker and client said, the latest first; `candidates` are orders of the
    broker's books that may be the one; `value` is null when no price is known.
    """
    waiting = await _attention(request).waiting(limit)
    return {"orders": [await _waiting_json(request, item) for item in waiting]}


@router.post("/attention/{order_id}/decisions")
async def decide(
    request: Request, response: Response, decider: Decider, order_id: UUID, body: DecisionBody
) -> dict[str, Any]:
    """Decide about one order. 202 when its value asks for a second person to confirm."""
    wish = Wish(
        decision=body.decision,
        reason=body.reason,
        version=body.version,
        broker_order_id=body.broker_order_id,
    )
    made = await _attention(request).decide(str(order_id), wish, decider.user_id)
    if made is None:
        raise Problem(404, "NO_SUCH_ORDER", "There is no such order.")
    answer = _decision_json(_granted(made))
    if answer["state"] == "PROPOSED":
        response.status_code = 202
        answer["message"] = (
            "One person is not enough for an order of this value, nothing was done yet."
            " Another operator confirms it."
        )
    return answer


@router.post("/attention/decisions/{decision_id}/confirm")
async def confirm(request: Request, decider: Decider, decision_id: UUID) -> dict[str, Any]:
    """Confirm, as a second person, what another one decided; it is carried out now."""
    made = await _attention(request).confirm(str(decision_id), decider.user_id)
    if made is None:
        raise Problem(404, "NO_SUCH_DECISION", "There is no such decision.")
    return _decision_json(_granted(made))


def _granted(made: asyncpg.Record | Refusal) -> asyncpg.Record:
    if isinstance(made, Refusal):
        status = 422 if made.code in {"INVALID", "NO_SUCH_CANDIDATE"} else 409
        raise Problem(status, made.code, made.message, field=made.field)
    return made


async def _waiting_json(request: Request, item: Waiting) -> dict[str, Any]:
    repository: Repository = request.app.state.replica.repository
    order = await repository.order(item.case.order_id, None)
    return {
        "order": order_json(order) if order else None,
        "version": item.case.version,
        "value": money_json(item.case.value),
        "second_person": needs_second_person(item.case, _attention(request).second_person_above),
        "candidates": [_candidate_json(candidate) for candidate in item.candidates],
        "said": [
            {
                "source": row["source"],
                "received_at": instant_json(row["received_at"]),
                "broker_order_id": row["broker_order_id"],
                "status": row["status"],
                "filled_quantity": row["filled_quantity"],
                "average_price": money_json(row["average_price"]),
                "code": row["code"],
                "message": row["message"],
            }
            for row in item.said
        ],
        "decisions": [_decision_json(row) for row in item.decisions],
    }


def _candidate_json(candidate: Candidate) -> dict[str, Any]:
    return {
        "broker_order_id": candidate.broker_order_id,
        "order_id": candidate.order_id,
        "client_order_id": candidate.client_order_id,
        "status": candidate.status,
        "side": candidate.side,
        "quantity": candidate.quantity,
        "limit_price": money_json(candidate.limit_price),
        "filled_quantity": candidate.filled_quantity,
        "average_price": money_json(candidate.average_price),
        "placed_at": instant_json(candidate.placed_at),
        "first_seen_at": instant_json(candidate.first_seen_at),
    }


def _decision_json(row: asyncpg.Record) -> dict[str, Any]:
    return {
        "decision_id": row["decision_id"],
        "order_id": row["order_id"],
        "decision": row["decision"],
        "reason": row["reason"],
        "broker_order_id": row["broker_order_id"],
        "value": money_json(row["value_rupees"]),
        "state": row["state"],
        "decided_by": row["decided_by"],
        "decided_at": instant_json(row["decided_at"]),
        "confirmed_by": row["confirmed_by"],
        "confirmed_at": instant_json(row["confirmed_at"]),
        "new_order_id": row["new_order_id"],
    }


def _attention(request: Request) -> Attention:
    found: Attention = request.app.state.replica.reconciliation.attention
    return found
