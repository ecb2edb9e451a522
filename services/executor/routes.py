"""What people ask the executors: their orders, one order's history, who serves which shard."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query, Request

from libs.contracts.order_json import instant_json, order_json
from libs.runtime.identity import Principal, Role, requires
from libs.runtime.problems import Problem
from services.executor.account_limits_routes import router as account_limits_router
from services.executor.attention_routes import router as attention_router
from services.executor.dead_letter_routes import router as dead_letter_router
from services.executor.exit_retry_routes import router as exit_retry_router
from services.executor.kill_switch_routes import router as kill_switch_router
from services.executor.preview_routes import router as preview_router
from services.executor.repository import Repository

_ORDERS_MAX = 2_000
_ANYONE = requires(Role.FOLLOWER, Role.MASTER, Role.VIEWER_OPERATOR, Role.OPERATOR, Role.ADMIN)
_OPERATORS = requires(Role.VIEWER_OPERATOR, Role.OPERATOR, Role.ADMIN)
_SEES_ALL = frozenset({Role.VIEWER_OPERATOR, Role.OPERATOR, Role.ADMIN})

router = APIRouter()
router.include_router(account_limits_router)
router.include_router(attention_router)
router.include_router(dead_letter_router)
router.include_router(exit_retry_router)
router.include_router(kill_switch_router)
router.include_router(preview_router)


@router.get("/orders")
async def orders(
    request: Request,
    principal: Annotated[Principal, _ANYONE],
    after: Annotated[int | None, Query(ge=0, description="A cursor from an answer")] = None,
    limit: Annotated[int, Query(ge=1, le=_ORDERS_MAX)] = 500,
) -> dict[str, Any]:
    """List own orders, newest first; as a master, the orders of own signals too.

    With `after`, whatever changed since that cursor, unlimited: nothing may be missing.
    """
    wanted = _ORDERS_MAX * 10 if after is not None else limit
    snapshot = await _repository(request).order_snapshot(
        principal.user_id, after=after, limit=wanted
    )
    return {
        "orders": [order_json(order) for order in snapshot.orders],
        "cursor": str(snapshot.cursor),
    }


@router.get("/orders/{order_id}")
async def order(
    request: Request, principal: Annotated[Principal, _ANYONE], order_id: UUID
) -> dict[str, Any]:
    """Show one order and every transition it made."""
    sees_all = bool(principal.roles & _SEES_ALL)
    found = await _repository(request).order(str(order_id), None if sees_all else principal.user_id)
    if found is None:
        raise Problem(404, "NO_SUCH_ORDER", "There is no such order.")
    history = await _repository(request).history(str(order_id))
    return {
        "order": order_json(found),
        "history": [
            {
                "version": row["version"],
                "state": row["state"],
                "reason": row["reason"],
                "message": row["message"],
                "quantity": row["quantity"],
                "filled_quantity": row["filled_quantity"],
                "average_price": _text(row["average_price"]),
                "limit_price": _text(row["limit_price"]),
                "trigger_price": _text(row["trigger_price"]),
                "at": instant_json(row["at"]),
            }
            for row in history
        ],
    }


@router.get("/shards", dependencies=[_OPERATORS])
async def shards(request: Request) -> dict[str, Any]:
    """Show who serves which shard, and until when the lease stands."""
    return {
        "partitions": _repository(request).partitions,
        "shards": [
            {
                "broker": row["broker"],
                "shard": row["shard"],
                "owner": row["owner"] if row["held"] else None,
                "epoch": row["epoch"],
                "until": instant_json(row["until"]),
            }
            for row in await _repository(request).leases()
        ],
    }


def _repository(request: Request) -> Repository:
    repository: Repository = request.app.state.repository
    return repository


def _text(value: object) -> str | None:
    return None if value is None else str(value)
