"""Wires the edge: its own health, the application below /app, and every other path to a service."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
from fastapi import FastAPI

from libs.runtime.health import health_router
from libs.runtime.identity import public
from services.web.headers import api_headers
from services.web.http_proxy import HttpProxy, open_transport
from services.web.routes import METHODS, Edge
from services.web.settings import WebSettings
from services.web.static import BASE, StaticFiles
from services.web.upstreams import open_upstreams
from services.web.websocket_proxy import WebsocketProxy


def build_app(settings: WebSettings, transport: httpx.AsyncBaseTransport | None = None) -> FastAPI:
    """Build the one origin people see: files, API and websockets."""
    secure = settings.environment_name == "production"
    edge = Edge(
        static=StaticFiles(settings.static_dir, settings.public_url, secure),
        upstreams=open_upstreams(settings),
        http=HttpProxy(transport or open_transport(settings), settings, api_headers(secure=secure)),
        websockets=WebsocketProxy(),
    )

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        edge.static.built()
        yield
        await edge.http.transport.aclose()

    app = FastAPI(title="Lockstep edge", openapi_url=None, lifespan=lifespan)
    # Who may do what is decided by the service behind; here every route is open.
    app.router.dependencies.append(public())
    app.include_router(health_router(edge.ready), prefix="/edge")
    app.add_api_route("/healthz", edge.alive)
    app.add_api_route("/", edge.home, methods=["GET", "HEAD"])
    app.add_api_route(BASE, edge.application, methods=["GET", "HEAD"])
    app.add_api_route(BASE + "/{rest:path}", edge.application, methods=["GET", "HEAD"])
    app.add_api_route("/{rest:path}", edge.api, methods=METHODS)
    app.add_api_websocket_route("/{rest:path}", edge.live)
    return app
