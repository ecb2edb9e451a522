"""One websocket from accept to close: write what is in line, read little, leave with a code."""

import asyncio
from collections import deque
from dataclasses import dataclass, field

from starlette.websockets import WebSocket, WebSocketDisconnect

from services.streaming.sockets import CLOSE_MISBEHAVED, CLOSE_TOO_BIG, ClientSocket

_MESSAGE_CHARACTERS_MAX = 4_096
_MESSAGES_MAX = 20
_MESSAGES_WINDOW_S = 10.0
_CLOSE_S_MAX = 2.0


async def talk(websocket: WebSocket, socket: ClientSocket) -> None:
    """Serve an accepted websocket until the client leaves or `socket.ending` names a code."""
    work = {
        asyncio.create_task(_write(websocket, socket)),
        asyncio.create_task(_read(websocket, socket)),
        asyncio.create_task(socket.ended()),
    }
    try:
        await asyncio.wait(work, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in work:
            task.cancel()
        await asyncio.wait(work)
    if socket.ending.done():
        await _close(websocket, socket.ending.result())


async def _write(websocket: WebSocket, socket: ClientSocket) -> None:
    try:
        while True:
            await websocket.send_text(await socket.line.get())
    except WebSocketDisconnect:
        return


async def _read(websocket: WebSocket, socket: ClientSocket) -> None:
    """Nothing is asked over this socket; what comes is counted, measured and dropped."""
    limit = MessageLimit()
    loop = asyncio.get_running_loop()
    while True:
        message = await websocket.receive()
        if message["type"] == "websocket.disconnect":
            return
        size = len(message.get("text") or message.get("bytes") or "")
        if size > _MESSAGE_CHARACTERS_MAX:
            socket.end(CLOSE_TOO_BIG)
        elif not limit.allows(loop.time()):
            socket.end(CLOSE_MISBEHAVED)


@dataclass(slots=True)
class MessageLimit:
    """At most twenty messages in any ten seconds."""

    _at_s: deque[float] = field(default_factory=lambda: deque(maxlen=_MESSAGES_MAX))

    def allows(self, now_s: float) -> bool:
        full = len(self._at_s) == _MESSAGES_MAX
        allowed = not full or now_s - self._at_s[0] >= _MESSAGES_WINDOW_S
        self._at_s.append(now_s)
        return allowed


async def _close(websocket: WebSocket, code: int) -> None:
    # A reader that stopped reading does not take the close frame either: its line is cut then.
    try:
        async with asyncio.timeout(_CLOSE_S_MAX):
            await websocket.close(code)
    except (TimeoutError, WebSocketDisconnect, RuntimeError):
        return
