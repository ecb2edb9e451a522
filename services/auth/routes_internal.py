"""HTTP between services, with the service token, never through the edge: identities, sessions."""

from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel, Field, StringConstraints

from libs.runtime.identity import internal
from services.auth.copies import sealed_session_json
from services.auth.repository_sessions import SESSIONS_AT_ONCE_MAX
from services.auth.requests import Identified, Sessions

router = APIRouter(prefix="/internal", dependencies=[internal()], include_in_schema=False)


class IdentityBody(BaseModel):
    kind: Literal["cookie", "api_key"]
    hash: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]


class SessionsBody(BaseModel):
    account_ids: list[UUID] = Field(max_length=SESSIONS_AT_ONCE_MAX)


@router.post("/identities")
async def identities(body: IdentityBody, identified: Identified) -> dict[str, Any]:
    """Say whose token this is the hash of, or null."""
    found = await identified.find(body.kind, body.hash)
    if found is None:
        return {"principal": None}
    principal = {
        "user_id": found.user_id,
        "roles": sorted(found.roles),
        "email": found.email,
    }
    return {"principal": principal}


@router.post("/sessions")
async def sessions(body: SessionsBody, repository: Sessions) -> dict[str, Any]:
    """Hand out living sessions, sealed; accounts without one are missing."""
    found = await repository.sessions([str(account_id) for account_id in body.account_ids])
    return {"sessions": [sealed_session_json(stored) for stored in found]}
