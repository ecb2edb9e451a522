"""HTTP of in-app notifications: own ones, and for operators those of the operators."""

from typing import Annotated

from fastapi import APIRouter, Path, Query

from libs.runtime.identity import Principal, Role
from libs.runtime.problems import Problem
from services.auth import answers
from services.auth.requests import Anyone, Notices

router = APIRouter(prefix="/notifications", tags=["notifications"])

_OPERATORS = {Role.VIEWER_OPERATOR, Role.OPERATOR, Role.ADMIN}

Before = Annotated[
    int | None, Query(ge=1, le=2**63 - 1, description="The cursor of the page before.")
]
PageSize = Annotated[int, Query(ge=1, le=200)]
NoticeId = Annotated[str, Path(max_length=200, pattern=r"^[^\x00]+$")]


@router.get("")
async def notifications(
    principal: Anyone, notices: Notices, before: Before = None, limit: PageSize = 50
) -> answers.Notifications:
    """List notifications, newest first."""
    operator = _operator(principal)
    rows = await notices.newest(principal.user_id, operator=operator, before=before, limit=limit)
    return answers.Notifications(
        notifications=[answers.notification(row) for row in rows],
        unread=await notices.unread(principal.user_id, operator=operator),
        cursor=str(rows[-1]["id"]) if len(rows) == limit else None,
    )


@router.post("/read-all")
async def read_all(principal: Anyone, notices: Notices) -> answers.Done:
    await notices.mark_read(principal.user_id, operator=_operator(principal), notice_id=None)
    return answers.Done(code="SUCCESS", message="All notifications are marked as read.")


@router.post("/{notice_id}/read")
async def read(principal: Anyone, notices: Notices, notice_id: NoticeId) -> answers.Done:
    operator = _operator(principal)
    if not await notices.mark_read(principal.user_id, operator=operator, notice_id=notice_id):
        raise Problem(404, "NOT_FOUND", "There is no such notification for you.")
    return answers.Done(code="SUCCESS", message="Marked as read.")


def _operator(principal: Principal) -> bool:
    return bool(_OPERATORS & principal.roles)
