"""Stop entries of the platform, a broker, strategy, master, account or algorithm, and go on."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, ConfigDict, Field

from libs.brokers.registry import BROKERS
from libs.contracts.order_json import instant_json
from libs.runtime.identity import Principal, Role, requires
from libs.runtime.problems import Problem
from services.executor.kill_switches import NOBODY, KillSwitches, Scope

_VIEWERS = requires(Role.VIEWER_OPERATOR, Role.OPERATOR, Role.ADMIN)
_WITH_UUID = frozenset({Scope.STRATEGY, Scope.MASTER, Scope.ACCOUNT})

Operator = Annotated[Principal, requires(Role.OPERATOR)]
Subject = Annotated[str, Field(max_length=64, pattern=r"^[A-Za-z0-9_.:-]*$")]
Reason = Annotated[str, Field(min_length=3, max_length=500, pattern=r"^[^\x00]*$")]

router = APIRouter()


class KillSwitchBody(BaseModel):
    """`subject` is the id of what is stopped, empty for the platform.

    `cancel_open` also takes back the entries that are at work at brokers; exits stay.
    """

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)

    scope: Scope
    subject: Subject = ""
    reason: Reason
    cancel_open: bool = False


@router.get("/kill-switches", dependencies=[_VIEWERS])
async def kill_switches(request: Request) -> dict[str, Any]:
    """List what is stopped now; `changed_by` is null where no person did it."""
    async with request.app.state.pool.acquire() as connection:
        switches = await KillSwitches(connection).on()
    return {
        "kill_switches": [
            {
                "scope": switch.scope,
                "subject": switch.subject,
                "reason": switch.reason,
                "changed_by": None if switch.changed_by == NOBODY else switch.changed_by,
                "changed_at": instant_json(switch.changed_at),
            }
            for switch in switches
        ]
    }


@router.put("/kill-switches")
async def stop(request: Request, operator: Operator, body: KillSwitchBody) -> dict[str, Any]:
    """Stop entries within a second; exits and cancels keep flowing. Stopping twice is once."""
    subject = _subject(body.scope, body.subject)
    async with request.app.state.pool.acquire() as connection, connection.transaction():
        changed = await KillSwitches(connection).turn_on(
            body.scope, subject, reason=body.reason, by=operator.user_id
        )
    cancelling = 0
    if body.cancel_open:
        # After the stop is durable: what is sent until then is found here.
        async with request.app.state.pool.acquire() as connection:
            cancelling = await KillSwitches(connection).cancel_open(body.scope, subject)
    return {"changed": changed, "cancelling": cancelling}


@router.delete("/kill-switches")
async def go_on(
    request: Request,
    operator: Operator,
    scope: Scope,
    reason: Annotated[str, Query(min_length=3, max_length=500, pattern=r"^[^\x00]*$")],
    subject: Annotated[str, Query(max_length=64, pattern=r"^[A-Za-z0-9_.:-]*$")] = "",
) -> dict[str, Any]:
    """Let entries go again. A master paused by a dead letter is paused no more."""
    async with request.app.state.pool.acquire() as connection, connection.transaction():
        changed = await KillSwitches(connection).turn_off(
            scope, _subject(scope, subject), reason=reason, by=operator.user_id
        )
    return {"changed": changed}


def _subject(scope: Scope, subject: str) -> str:
    """Check that a subject names what its scope is about: a switch for nobody stops nothing."""
    if (scope is Scope.PLATFORM) != (subject == ""):
        what = "has no subject" if scope is Scope.PLATFORM else "needs the subject it stops"
        raise Problem(422, "INVALID", f"subject: {scope} {what}", field="subject")
    if scope is Scope.BROKER and subject not in BROKERS:
        raise Problem(422, "INVALID", f"subject: one of {', '.join(BROKERS)}", field="subject")
    if scope not in _WITH_UUID:
        return subject
    try:
        return str(UUID(subject))
    except ValueError as error:
        raise Problem(
            422,
            "INVALID",
            f"subject: {scope} needs an id, as GET /orders shows it",
            field="subject",
        ) from error
