"""Hands one HTTP request to a service and streams its answer back.

On a transport and not a client of httpx: a client keeps cookies, and one user's would be sent with
another's request.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass

import httpx
import structlog
from prometheus_client import Counter
from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from services.web.headers import RawHeaders, towards_browser, towards_service
from services.web.problem import problem
from services.web.settings import WebSettings
from services.web.upstreams import Replicas

log = structlog.get_logger()

ANSWERS = Counter(
    "lockstep_edge_answers", "Answers by service and status class.", ["service", "of"]
)
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
# uvicorn closes an idle connection after 5 s; a request sent into that close has no known outcome.
KEEPALIVE_S = 3.0


class BodyTooLarge(Exception):
    """The request's body is over the edge's limit."""


@dataclass(slots=True)
class HttpProxy:
    transport: httpx.AsyncBaseTransport
    settings: WebSettings
    added: dict[str, str]

    async def forward(self, request: Request, service: str, replicas: Replicas) -> Response:
        """Answer with the first replica that can be reached, or say what is wrong."""
        try:
            body = await read_body(request, self.settings.body_bytes_max)
        except BodyTooLarge:
            limit = self.settings.body_bytes_max
            response: Response = problem(413, "TOO_LARGE", f"The request is over {limit} bytes.")
        else:
            response = await self._first_that_answers(request, service, replicas, body)
        ANSWERS.labels(service, f"{response.status_code // 100}xx").inc()
        return response

    async def _first_that_answers(
        self, request: Request, service: str, replicas: Replicas, body: bytes
    ) -> Response:
        for url in replicas.in_order():
            try:
                answer = await self.transport.handle_async_request(
                    self._outgoing(request, url, body)
                )
            except (httpx.ConnectError, httpx.ConnectTimeout):
                # Nothing was sent, so any method may try the next replica.
                replicas.refused(url)
                continue
            except httpx.TimeoutException:
                log.warning("upstream_silent", service=service, path=_told(request))
                return problem(
                    504, "SERVICE_SLOW", _unclear(request.method, "did not answer in time")
                )
            except httpx.TransportError as error:
                replicas.refused(url)
                if request.method in SAFE:
                    continue
                log.warning("upstream_broke_off", service=service, error=type(error).__name__)
                return problem(502, "SERVICE_BROKE_OFF", _unclear(request.method, "broke off"))
            replicas.answered(url)
            return self._incoming(answer)
        log.warning("upstream_away", service=service, path=_told(request))
        return problem(
            503, "SERVICE_AWAY", f"The {service} service is not reachable. Try again in a moment."
        )

    def _outgoing(self, request: Request, url: str, body: bytes) -> httpx.Request:
        scope = request.scope
        query = scope["query_string"]
        raw_path = scope.get("raw_path") or request.url.path.encode()
        target = httpx.URL(url).copy_with(raw_path=raw_path + (b"?" + query if query else b""))
        headers = towards_service(
            scope["headers"],
            peer=request.client.host if request.client else "unknown",
            scheme=request.url.scheme,
        )
        timeout = httpx.Timeout(
            self.settings.answer_timeout_s, connect=self.settings.connect_timeout_s
        )
        return httpx.Request(
            request.method,
            target,
            headers=_with_length(headers, request.method, body),
            content=body,
            extensions={"timeout": timeout.as_dict()},
        )

    def _incoming(self, answer: httpx.Response) -> Response:
        response = StreamingResponse(
            _raw(answer), status_code=answer.status_code, background=BackgroundTask(answer.aclose)
        )
        response.raw_headers = towards_browser(answer.headers.raw, self.added)
        return response


def open_transport(settings: WebSettings) -> httpx.AsyncHTTPTransport:
    limits = httpx.Limits(
        max_connections=settings.connections_max,
        max_keepalive_connections=64,
        keepalive_expiry=KEEPALIVE_S,
    )
    return httpx.AsyncHTTPTransport(limits=limits, retries=0, trust_env=False)


async def read_body(request: Request, bytes_max: int) -> bytes:
    """Read a whole body. Raise `BodyTooLarge` as soon as it is."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > bytes_max:
            raise BodyTooLarge
    return bytes(body)


def _told(request: Request) -> str:
    """Name what was asked for; the path of a webhook ends in its secret."""
    path = request.url.path
    return "/webhooks/…" if path.startswith("/webhooks/") else path


def _unclear(method: str, what: str) -> str:
    if method in SAFE:
        return f"The service {what}. Try again."
    return (
        f"The service {what}, so this may or may not have been done. "
        "Look before you repeat it; with the same Idempotency-Key it cannot happen twice."
    )


def _with_length(headers: RawHeaders, method: str, body: bytes) -> RawHeaders:
    kept = [(name, value) for name, value in headers if name != b"content-length"]
    if body or method not in SAFE:
        kept.append((b"content-length", str(len(body)).encode()))
    return kept


async def _raw(answer: httpx.Response) -> AsyncIterator[bytes]:
    try:
        async for chunk in answer.aiter_raw():
            yield chunk
    finally:
        await answer.aclose()
