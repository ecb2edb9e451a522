"""The three routes of every process: alive, ready, and its figures."""

from collections.abc import Awaitable, Callable, Mapping

from fastapi import APIRouter, Response
from fastapi.responses import JSONResponse
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from libs.runtime.identity import public


def health_router(ready: Callable[[], Awaitable[Mapping[str, bool]]]) -> APIRouter:
    """GET /healthz (200 while the process lives), /readyz (200 or 503), /metrics (Prometheus)."""
    router = APIRouter(include_in_schema=False, dependencies=[public()])

    @router.get("/healthz")
    async def healthz() -> dict[str, str]:
        return {"status": "alive"}

    @router.get("/readyz")
    async def readyz() -> JSONResponse:
        checks = dict(await ready())
        return JSONResponse({"checks": checks}, 200 if all(checks.values()) else 503)

    @router.get("/metrics")
    async def metrics() -> Response:
        return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)

    return router
