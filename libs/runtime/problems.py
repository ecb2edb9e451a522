"""One error shape for every HTTP answer, whatever went wrong."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from libs.runtime.middleware import RequestMiddleware
from libs.runtime.postgres import UNREACHABLE

log = structlog.get_logger()

_CODES = {404: "NOT_FOUND", 405: "METHOD_NOT_ALLOWED", 413: "TOO_LARGE"}
_WORDS = {
    404: "There is nothing here.",
    405: "This address does not take that method.",
    413: "The body is too large.",
}


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
    app.add_middleware(RequestMiddleware)
    app.add_exception_handler(Problem, _on_problem)
    app.add_exception_handler(RequestValidationError, _on_invalid)
    app.add_exception_handler(HTTPException, _on_http)
    for kind in UNREACHABLE:
        app.add_exception_handler(kind, _on_unreachable)
    app.add_exception_handler(Exception, _on_unexpected)


async def _on_problem(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, Problem)  # noqa: S101  # Registered for this class alone.
    headers = {"Retry-After": "1"} if error.status == 503 else None
    return JSONResponse(error.body(), error.status, headers)


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


_NAMED = re.compile(r"([a-z_][a-z0-9_.]*): (.+)", re.DOTALL)
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
    named = _NAMED.fullmatch(words) if kind == "value_error" else None
    if named is not None:  # A rule over several fields says itself which one is wrong.
        field = ".".join(part for part in (field, named[1]) if part)
        words = named[2]
    if words.startswith("Input should "):
        words = "must " + words.removeprefix("Input should ")
    return {"field": field, "message": f"{field}: {words}" if field else words}


def _field(location: Sequence[int | str]) -> str:
    parts = [str(part) for part in location]
    if parts and parts[0] in {"body", "query", "path", "header", "cookie"}:
        parts = parts[1:]
    return ".".join(parts)
