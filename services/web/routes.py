"""The edge's endpoints: its health, the application, and the way to every service."""

from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.websockets import WebSocket

from services.web.http_proxy import HttpProxy
from services.web.problem import problem
from services.web.routing import STREAMING, target_of
from services.web.static import BASE, StaticFiles
from services.web.upstreams import Upstreams
from services.web.websocket_proxy import WebsocketProxy

METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]


@dataclass(frozen=True, slots=True)
class Edge:
    static: StaticFiles
    upstreams: Upstreams
    http: HttpProxy
    websockets: WebsocketProxy

    async def ready(self) -> dict[str, bool]:
        """Say whether there is something to serve. Services behind have their own readiness."""
        return {"files": self.static.built()}

    async def alive(self) -> Response:
        return PlainTextResponse("ok\n")

    async def home(self) -> Response:
        return RedirectResponse(BASE, status_code=307)

    async def application(self, request: Request) -> Response:
        return self.static.answer(request)

    async def api(self, request: Request) -> Response:
        target = target_of(request.scope["path"])
        replicas = self.upstreams.of(target) if target else None
        if target is None or replicas is None or request.scope["path"].startswith("/ws/"):
            return _nothing_here()
        return await self.http.forward(request, target.service, replicas)

    async def live(self, websocket: WebSocket) -> None:
        target = target_of(websocket.scope["path"])
        if target is None or target.service != STREAMING:
            await websocket.send_denial_response(_nothing_here())
            return
        await self.websockets.forward(websocket, self.upstreams.services[STREAMING])


def _nothing_here() -> JSONResponse:
    return problem(404, "NOT_FOUND", "There is nothing at this address.")
