"""What every HTTP request passes: correlation id, size limit, headers, figures, a log line."""

import re
import time

import structlog
from prometheus_client import Histogram
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from structlog.contextvars import bound_contextvars
from uuid_utils import uuid7

log = structlog.get_logger()

REQUEST_S = Histogram(
    "lockstep_http_request_seconds", "Time to answer a request.", ["method", "route", "status"]
)
BODY_BYTES_MAX = 1024 * 1024

_CORRELATION = re.compile(r"[A-Za-z0-9-]{8,64}")
_METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}
_TOO_LARGE = {"code": "TOO_LARGE", "message": f"A body may have {BODY_BYTES_MAX} bytes at most."}


class RequestMiddleware:
    """Outermost of an application's own middleware; websockets pass untouched."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        answer = _Answer(scope, send)
        with bound_contextvars(correlation_id=scope["correlation_id"]):
            try:
                if _announced_size(scope) > BODY_BYTES_MAX:
                    await JSONResponse(_TOO_LARGE, 413)(scope, receive, answer.send)
                else:
                    await self._app(scope, _limited(receive), answer.send)
            finally:
                answer.note()


class _Answer:
    """One answer on its way out."""

    def __init__(self, scope: Scope, send: Send) -> None:
        self._scope = scope
        self._send = send
        self._started = time.perf_counter()
        # Stays so when the application raises: the answer is then made outside of us.
        self._status = 500
        scope["correlation_id"] = _correlation_id(scope)

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._status = message["status"]
            headers = MutableHeaders(scope=message)
            headers["X-Correlation-Id"] = self._scope["correlation_id"]
            headers.setdefault("X-Content-Type-Options", "nosniff")
            headers.setdefault("Cache-Control", "no-store")
        await self._send(message)

    def note(self) -> None:
        took_s = time.perf_counter() - self._started
        method = self._scope["method"] if self._scope["method"] in _METHODS else "OTHER"
        # The template, never the path: ids would make a new series each.
        route = getattr(self._scope.get("route"), "path", "unmatched")
        REQUEST_S.labels(method, route, str(self._status)).observe(took_s)
        log.debug(
            "request_answered",
            method=method,
            route=route,
            status=self._status,
            took_ms=round(took_s * 1000, 1),
        )


def _limited(receive: Receive) -> Receive:
    taken = 0

    async def receive_some() -> Message:
        nonlocal taken
        message = await receive()
        taken += len(message.get("body", b""))
        if taken > BODY_BYTES_MAX:
            raise HTTPException(413)
        return message

    return receive_some


def _announced_size(scope: Scope) -> int:
    text = Headers(scope=scope).get("content-length", "")
    return int(text) if text.isascii() and text.isdigit() else 0


def _correlation_id(scope: Scope) -> str:
    given = Headers(scope=scope).get("x-correlation-id", "")
    return given if _CORRELATION.fullmatch(given) else str(uuid7())
