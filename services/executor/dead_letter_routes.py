"""The operator's view of dead letters: look, send again, set aside."""

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request
from pydantic import BaseModel, ConfigDict, Field

from libs.contracts.order_json import instant_json
from libs.runtime.identity import Principal, Role, requires
from libs.runtime.problems import Problem
from services.executor.dead_letters import REPLAYABLE, BuriedLetter, DeadLetters

_OPERATORS = requires(Role.OPERATOR, Role.ADMIN)
_VIEWERS = requires(Role.VIEWER_OPERATOR, Role.OPERATOR, Role.ADMIN)
_PAGE_MAX = 200

Operator = Annotated[Principal, _OPERATORS]
LetterId = Annotated[int, Path(ge=1, lt=2**63)]

router = APIRouter()


class ReasonBody(BaseModel):
    """Why somebody does what touches other people's orders; kept beside it."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)

    reason: Annotated[str, Field(min_length=3, max_length=500, pattern=r"^[^\x00]*$")]


@router.get("/dead-letters", dependencies=[_VIEWERS])
async def dead_letters(
    request: Request,
    before: Annotated[int | None, Query(ge=1, lt=2**63, description="The page's cursor")] = None,
    limit: Annotated[int, Query(ge=1, le=_PAGE_MAX)] = 50,
) -> dict[str, Any]:
    """List records nobody could use, the latest first."""
    async with request.app.state.pool.acquire() as connection:
        letters = await DeadLetters(connection).listed(before=before, limit=limit)
    return {
        "dead_letters": [_json(letter) for letter in letters],
        "cursor": str(letters[-1].id) if len(letters) == limit else None,
    }


@router.post("/dead-letters/{letter_id}/replay")
async def replay(
    request: Request, operator: Operator, letter_id: LetterId, body: ReasonBody
) -> dict[str, Any]:
    """Send a record to its topic again, as it came. Asking twice sends it once.

    What was done already stays as it is, entries that expired stay away, cancels still act.
    """
    async with request.app.state.pool.acquire() as connection, connection.transaction():
        letters = DeadLetters(connection)
        letter = await _known(letters, letter_id)
        if letter.topic not in REPLAYABLE:
            raise Problem(
                409,
                "NOT_REPLAYABLE",
                "Records of this topic are states that are read from the database anyway. "
                "Set it aside instead.",
            )
        await letters.replay(letter_id, by=operator.user_id, reason=body.reason)
        return {"dead_letter": _json(await _known(letters, letter_id))}


@router.post("/dead-letters/{letter_id}/set-aside")
async def set_aside(
    request: Request, operator: Operator, letter_id: LetterId, body: ReasonBody
) -> dict[str, Any]:
    """Close a letter that is of no use; its master stays paused until the switch is lifted."""
    async with request.app.state.pool.acquire() as connection, connection.transaction():
        letters = DeadLetters(connection)
        await _known(letters, letter_id)
        await letters.set_aside(letter_id, by=operator.user_id, reason=body.reason)
        return {"dead_letter": _json(await _known(letters, letter_id))}


async def _known(letters: DeadLetters, letter_id: int) -> BuriedLetter:
    letter = await letters.one(letter_id)
    if letter is None:
        raise Problem(404, "NO_SUCH_DEAD_LETTER", "There is no such dead letter.")
    return letter


def _json(letter: BuriedLetter) -> dict[str, Any]:
    return {
        "id": str(letter.id),
        "topic": letter.topic,
        "partition": letter.partition,
        "offset": str(letter.offset),
        "key": None if letter.key is None else letter.key.decode("utf-8", "replace"),
        "headers": letter.headers,
        "bytes": letter.bytes,
        "error": letter.error,
        "at": instant_json(letter.at),
        "master_id": letter.master_id,
        "outcome": letter.outcome,
        "closed_at": instant_json(letter.closed_at),
        "closed_by": letter.closed_by,
        "closed_reason": letter.closed_reason,
    }
