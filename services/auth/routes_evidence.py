"""HTTP of the evidence for live orders: operators record it, withdraw it, and see what lacks."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request

from libs.runtime.identity import Principal, Role, requires
from services.auth.bodies_evidence import (
    AccountEvidence,
    AlgoIdBody,
    EgressBody,
    EvidenceAnswer,
    RegimeBody,
    account_evidence,
    evidence_answer,
)
from services.auth.evidence import Claim
from services.auth.requests import Proofs, actor_of

router = APIRouter(prefix="/auth/accounts/{account_id}/evidence", tags=["evidence"])

_VIEWERS = requires(Role.VIEWER_OPERATOR, Role.OPERATOR, Role.ADMIN)
Recorder = Annotated[Principal, requires(Role.OPERATOR, Role.ADMIN)]
Reason = Annotated[str, Query(min_length=3, max_length=500, pattern=r"^[^\x00]*$")]


@router.get("", dependencies=[_VIEWERS])
async def shown(account_id: UUID, flow: Proofs) -> AccountEvidence:
    """Show what was ever recorded, newest first, and what live entries of the account lack."""
    return account_evidence(await flow.shown(str(account_id)))


@router.put("/regime")
async def record_regime(
    account_id: UUID, body: RegimeBody, request: Request, recorder: Recorder, flow: Proofs
) -> EvidenceAnswer:
    """Record by what right software may trade this account; it takes the place of the last."""
    return await _recorded(account_id, body.claim(), request, recorder, flow)


@router.put("/egress")
async def record_egress(
    account_id: UUID, body: EgressBody, request: Request, recorder: Recorder, flow: Proofs
) -> EvidenceAnswer:
    """Record the way out that the broker registered for this account's orders."""
    return await _recorded(account_id, body.claim(), request, recorder, flow)


@router.put("/algo-id")
async def record_algo_id(
    account_id: UUID, body: AlgoIdBody, request: Request, recorder: Recorder, flow: Proofs
) -> EvidenceAnswer:
    """Record the id of all strategies that have none of their own here."""
    return await _recorded(account_id, body.claim(None), request, recorder, flow)


@router.put("/algo-id/{strategy_id}")
async def record_strategy_algo_id(
    account_id: UUID,
    strategy_id: UUID,
    body: AlgoIdBody,
    request: Request,
    recorder: Recorder,
    flow: Proofs,
) -> EvidenceAnswer:
    """Record the id that this one strategy carries here."""
    return await _recorded(account_id, body.claim(str(strategy_id)), request, recorder, flow)


@router.delete("/{evidence_id}")
async def withdraw(
    account_id: UUID,
    evidence_id: UUID,
    reason: Reason,
    request: Request,
    recorder: Recorder,
    flow: Proofs,
) -> EvidenceAnswer:
    """Close evidence: entries that need it stop at once. It stays in the history."""
    actor = actor_of(recorder, request)
    return evidence_answer(
        await flow.withdraw(str(account_id), str(evidence_id), reason.strip(), actor)
    )


async def _recorded(
    account_id: UUID, claim: Claim, request: Request, recorder: Principal, flow: Proofs
) -> EvidenceAnswer:
    return evidence_answer(await flow.record(str(account_id), claim, actor_of(recorder, request)))
