"""Look at and change what a whole account may copy at most: its owner, or an operator."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

import structlog
from fastapi import APIRouter, Request
from pydantic import BaseModel, Field

from libs.contracts.fields import Body
from libs.contracts.rules_json import (
    AccountLimitsAnswer,
    AccountLimitsBody,
    account_limits_answer,
)
from libs.runtime.identity import Principal, Role, requires
from libs.runtime.problems import Problem
from libs.trading.accounts import Account, AccountKind
from services.executor.account_limits import AccountLimitRows, AccountLimits

_SEES_ALL = frozenset({Role.VIEWER_OPERATOR, Role.OPERATOR, Role.ADMIN})

Viewer = Annotated[
    Principal, requires(Role.FOLLOWER, Role.VIEWER_OPERATOR, Role.OPERATOR, Role.ADMIN)
]
Changer = Annotated[Principal, requires(Role.FOLLOWER, Role.OPERATOR, Role.ADMIN)]

log = structlog.get_logger()
router = APIRouter()


class AccountLimitsChangeBody(Body):
    """`limits` stand in for all there were, `{}` takes them away; `version` is of those seen."""

    limits: AccountLimitsBody
    version: Annotated[int, Field(ge=0, lt=2**63, strict=True)]


class StoredLimitsAnswer(BaseModel):
    """Version 0 is an account of which nobody limited anything yet; `changed_by` is a user."""

    account_id: str
    limits: AccountLimitsAnswer
    version: int
    changed_by: str | None
    changed_at: datetime | None


@router.get("/account-limits/{account_id}", tags=["account-limits"])
async def account_limits(
    request: Request, principal: Viewer, account_id: UUID
) -> StoredLimitsAnswer:
    """Show what an account may copy at most, whatever its follows allow."""
    rows = _rows(request)
    return _answer(await rows.of(await _account(rows, principal, account_id)))


@router.put("/account-limits/{account_id}", tags=["account-limits"])
async def limit_account(
    request: Request, principal: Changer, account_id: UUID, body: AccountLimitsChangeBody
) -> StoredLimitsAnswer:
    """Put limits in place of all present ones. Entries keep to them within about a second.

    They count what the whole account does. Exits and cancels are never held up. Sending the
    limits that stand already changes nothing.
    """
    rows = _rows(request)
    account = await _account(rows, principal, account_id)
    if account.kind is not AccountKind.CLIENT:
        raise Problem(
            409,
            "ACCOUNT_NOT_FOR_FOLLOWING",
            "account_id: this is a master's account. Nothing is copied to it.",
            field="account_id",
        )
    wanted = body.limits.limits()
    stored = await rows.put(account, wanted, version=body.version, by=principal.user_id)
    if stored is not None:
        log.info("account_limits_set", account_id=account.account_id, version=stored.version)
        return _answer(stored)
    present = await rows.of(account)
    if present.limits == wanted:
        return _answer(present)
    raise Problem(
        409,
        "CHANGED_MEANWHILE",
        f"version: these limits stand at version {present.version}. Look at them again first.",
        field="version",
        data={"version": present.version},
    )


def _rows(request: Request) -> AccountLimitRows:
    return AccountLimitRows(request.app.state.pool)


async def _account(rows: AccountLimitRows, principal: Principal, account_id: UUID) -> Account:
    """Find an account; somebody else's is answered exactly like one that does not exist."""
    account = await rows.account(str(account_id))
    sees_all = bool(principal.roles & _SEES_ALL)
    if account is None or not (sees_all or account.user_id == principal.user_id):
        raise Problem(
            404,
            "ACCOUNT_UNKNOWN",
            "account_id: you have no such broker account.",
            field="account_id",
        )
    return account


def _answer(stored: AccountLimits) -> StoredLimitsAnswer:
    return StoredLimitsAnswer(
        account_id=stored.account_id,
        limits=account_limits_answer(stored.limits),
        version=stored.version,
        changed_by=stored.changed_by,
        changed_at=stored.changed_at,
    )
