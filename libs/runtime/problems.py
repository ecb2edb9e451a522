"""One error shape for every HTTP answer; the correlation id, figures and log line of a request."""

import re
import time
from collections.abc import Mapping, Sequence
from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from prometheus_client import Histogram
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from structlog.contextvars import bound_contextvars
from uuid_utils import uuid7

from libs.runtime.postgres import UNREACHABLE

log = structlog.get_logger()

REQUEST_S = Histogram(
    "lockstep_http_request_seconds", "Time to answer a request.", ["method", "route", "status"]
)

_CORRELATION = re.compile(r"[A-Za-z0-9-]{8,64}")
_METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}
_CODES = {404: "NOT_FOUND", 405: "METHOD_NOT_ALLOWED", 413: "TOO_LARGE"}
_WORDS = {404: "There is nothing here.", 405: "This address does not take that method."}


class Problem(Exception):
    """An answer saying what is wrong: a code for programs, a sentence with the fix for people."""

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        field: str | None = None,
        data: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.field = field
        self.data = data

    def body(self) -> dict[str, Any]:
        body: dict[str, Any] = {"code": self.code, "message": self.message}
        if self.field is not None:
            body["field"] = self.field
        if self.data is not None:
            body["data"] = dict(self.data)
        return body


def install_problem_handlers(app: FastAPI) -> None:
    """Give every answer of `app` this shape, a correlation id and a place in the metrics."""
    app.add_middleware(_Requests)
    app.add_exception_handler(Problem, _on_problem)
    app.add_exception_handler(RequestValidationError, _on_invalid)
    app.add_exception_handler(HTTPException, _on_http)
    for kind in UNREACHABLE:
        app.add_exception_handler(kind, _on_unreachable)
    app.add_exception_handler(Exception, _on_unexpected)


async def _on_problem(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, Problem)  # noqa: S101  # Registered for this class alone.
    return JSONResponse(error.body(), error.status)


async def _on_http(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)  # noqa: S101  # Registered for this class alone.
    status = error.status_code
    body = {
        "code": _CODES.get(status, f"HTTP_{status}"),
        "message": _WORDS.get(status, str(error.detail)),
    }
    return JSONResponse(body, status, headers=error.headers)


async def _on_unreachable(request: Request, error: Exception) -> JSONResponse:
    log.warning("request_refused_without_ledger", error=type(error).__name__)
    message = (
        "A part of the platform does not answer just now. Try again in a moment; with the same "
        "Idempotency-Key nothing is done twice."
    )
    return JSONResponse({"code": "UNAVAILABLE", "message": message}, 503, {"Retry-After": "1"})


async def _on_unexpected(request: Request, error: Exception) -> JSONResponse:
    correlation_id = request.scope.get("correlation_id", "")
    log.error("request_failed", correlation_id=correlation_id, exc_info=error)
    body = {
        "code": "INTERNAL",
        "message": "Something went wrong here. Nothing was lost; quote the correlation id to us.",
        "correlation_id": correlation_id,
    }
    # This answer is made outside our middleware, so it adds the header itself.
    return JSONResponse(body, 500, {"X-Correlation-Id": correlation_id})


async def _on_invalid(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)  # noqa: S101  # Registered for this class alone.
    problems = [problem_of(item) for item in error.errors()]
    first = problems[0] if problems else {"field": "", "message": "The request is not understood."}
    body = {"code": "INVALID", "message": first["message"], "field": first["field"]}
    return JSONResponse({**body, "problems": problems}, 422)


_FIXES = {
    "missing": "is missing: add it",
    "extra_forbidden": "is not known here: leave it out",
    "json_invalid": "the body is not JSON: send one JSON object",
}


def problem_of(error: Mapping[str, Any]) -> dict[str, str]:
    """Name the field and the fix of one validation error; never repeat what was sent."""
    field = _field(error["loc"])
    kind = str(error["type"])
    words = _FIXES.get(kind) or str(error["msg"]).removeprefix("Value error, ")
    if kind == "json_invalid":
        return {"field": "", "message": words}
    if words.startswith("Input should "):
        words = "must " + words.removeprefix("Input should ")
    return {"field": field, "message": f"{field}: {words}" if field else words}


def _field(location: Sequence[int | str]) -> str:
    parts = [str(part) for part in location]
    if parts and parts[0] in {"body", "query", "path", "header", "cookie"}:
        parts = parts[1:]
    return ".".join(parts)


class _Requests:
    """Correlation id in and out, one histogram by route template, one debug line per request."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        correlation_id = _correlation_id(scope)
        scope["correlation_id"] = correlation_id
        status = 500

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message.setdefault("headers", [])
                message["headers"] = [
                    *message["headers"],
                    (b"x-correlation-id", correlation_id.encode()),
                ]
            await send(message)

        started = time.perf_counter()
        with bound_contextvars(correlation_id=correlation_id):
            try:
                await self._app(scope, receive, send_with_id)
            finally:
                _note(scope, status, time.perf_counter() - started)


def _note(scope: Scope, status: int, took_s: float) -> None:
    method = scope["method"] if scope["method"] in _METHODS else "OTHER"
    # The template, never the path: ids would make a new series each.
    route = getattr(scope.get("route"), "path", "unmatched")
    REQUEST_S.labels(method, route, str(status)).observe(took_s)
    log.debug("request_answered", method=method, route=route, status=status, took_s=took_s)


def _correlation_id(scope: Scope) -> str:
    for name, value in scope["headers"]:
        if name == b"x-correlation-id":
            text: str = value.decode("latin-1")
            if _CORRELATION.fullmatch(text):
                return text
    return str(uuid7())
