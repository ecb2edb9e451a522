"""The websocket of everyone's own orders, and the board of feeds for operators."""

from datetime import UTC, datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request, WebSocket
from pydantic import BaseModel

from libs.contracts.order_json import instant_json
from libs.runtime.identity import IdentityUnavailable, Role, requires, websocket_principal
from services.streaming.repository import StreamingRepository
from services.streaming.sockets import CLOSE_TRY_LATER, ClientSocket, Hub
from services.streaming.talk import talk

router = APIRouter()

_ROWS_MAX = 5_000


class FeedRow(BaseModel):
    """One account's order feed. `owner` is the replica that holds it, null while none does."""

    account_id: str
    user_id: str
    broker: str
    shard: int
    state: str
    since: str
    last_message_at: str | None
    reconnects: int
    owner: str | None
    message: str


class FeedRows(BaseModel):
    """`next_after` asks for the next page; null when this is the last."""

    feeds: list[FeedRow]
    next_after: str | None


@router.get("/feeds", dependencies=[requires(Role.VIEWER_OPERATOR, Role.OPERATOR, Role.ADMIN)])
async def feeds(
    request: Request,
    after: UUID | None = None,
    limit: Annotated[int, Query(ge=1, le=_ROWS_MAX)] = 1_000,
) -> FeedRows:
    """List the order feeds of all connected accounts, whichever replica holds them."""
    repository: StreamingRepository = request.app.state.repository
    rows = await repository.feeds_shown(after=str(after) if after else None, limit=limit)
    shown = [
        FeedRow(
            **{
                **row,
                "since": instant_json(row["since"]),
                "last_message_at": instant_json(row["last_message_at"]),
            }
        )
        for row in rows
    ]
    return FeedRows(feeds=shown, next_after=shown[-1].account_id if len(shown) == limit else None)


@router.websocket("/ws/orders")
async def orders(websocket: WebSocket) -> None:
    """Order events, notices and session states of the signed-in user, from now on."""
    hub: Hub = websocket.app.state.hub
    try:
        principal = await websocket_principal(websocket, *Role)
    except IdentityUnavailable:
        await websocket.accept()
        await websocket.close(CLOSE_TRY_LATER)
        return
    if principal is None:
        return
    await websocket.accept()
    token = websocket.cookies[websocket.app.state.identities.cookie_name]
    socket = ClientSocket(principal, token, websocket.app.state.socket_frames_max)
    if not hub.admit(socket, datetime.now(UTC)):
        await websocket.close(CLOSE_TRY_LATER)
        return
    try:
        await talk(websocket, socket)
    finally:
        hub.leave(socket)
