"""From a request to its answer: knobs, the broker's own rules, the journal, then the reply.

The journal line is on disk before the answer leaves. A broker's simulator is plain synchronous
code behind this door, so two requests never interleave inside it.
"""

import asyncio
import time
from collections.abc import MutableMapping
from typing import Any, Protocol

import orjson
import structlog
from prometheus_client import Counter
from starlette.types import Receive, Scope, Send

from libs.paper.server.desk import Desk
from libs.paper.server.journal import JournalBroken
from libs.paper.server.knobs import Failure, Knobs, Operation, Outcome
from libs.paper.server.requests import Answer, Arrival

log = structlog.get_logger()

BODY_BYTES_MAX = 64 * 1024
_ARRIVALS = Counter(
    "lockstep_simulator_arrivals_total",
    "Requests that reached the simulator, by what they ask for and the HTTP status answered.",
    ["operation", "status"],
)
_FAILED = Answer(status=500, body=b"500 Internal Server Error\n", content_type=b"text/plain")
_TOO_LARGE = Answer(status=413, body=b"413 Content Too Large\n", content_type=b"text/plain")


class LineCut(ConnectionError):
    """Raised where a knob cuts the line and the server has no connection to cut (in-process)."""


class Counterpart(Protocol):
    """The broker behind the door."""

    def identify(self, arrival: Arrival) -> None:
        """Fill in the arrival's operation and client, and mark a body that holds secrets."""

    def answer(self, arrival: Arrival) -> Answer:
        """Act and answer. Never raises for anything a caller can send."""


class Door:
    """Serves one broker's HTTP requests."""

    def __init__(self, desk: Desk, knobs: Knobs, counterpart: Counterpart) -> None:
        """Stand in front of this counterpart."""
        self._desk = desk
        self._knobs = knobs
        self._counterpart = counterpart

    async def serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = await _read_body(receive)
        arrival = _arrival(scope, body or b"", self._desk)
        self._counterpart.identify(arrival)
        arrival.knob = self._knobs.take(arrival.client_id, arrival.operation)
        answer, is_lost = self._act(arrival, too_large=body is None)
        self._write_down(arrival, answer, is_lost=is_lost)
        try:
            await self._desk.journal.durable()
        except JournalBroken:
            log.exception("journal_broken")
            await _cut_line(receive, send)
            return
        if arrival.knob.latency_ms:
            await asyncio.sleep(arrival.knob.latency_ms / 1000)
        if is_lost and arrival.knob.failure is Failure.DROP:
            await _cut_line(receive, send)
            return
        await _send(send, _FAILED if is_lost else answer)

    def _act(self, arrival: Arrival, *, too_large: bool) -> tuple[Answer, bool]:
        """Return the broker's answer and whether the caller will not get it."""
        if too_large:
            return _TOO_LARGE, False
        if arrival.knob.outcome is Outcome.FAIL_BEFORE_ACT:
            return _FAILED, True
        return self._counterpart.answer(arrival), arrival.knob.outcome is Outcome.ACT_THEN_FAIL

    def _write_down(self, arrival: Arrival, answer: Answer, *, is_lost: bool) -> None:
        _ARRIVALS.labels(arrival.operation, answer.status).inc()
        record: dict[str, Any] = {
            "kind": "arrival",
            "at": arrival.at,
            "ns": arrival.monotonic_ns,
            "operation": arrival.operation,
            "client_id": arrival.client_id,
            "method": arrival.method,
            "path": arrival.path,
            "query": _without_grant(arrival),
            "body": arrival.journal_body(),
            "status": answer.status,
            "answer": orjson.Fragment(answer.body) if answer.journalled else None,
            "order_id": answer.order_id,
            "knob": arrival.knob.outcome,
            "answered": not is_lost,
        }
        self._desk.journal.append(record)


def _without_grant(arrival: Arrival) -> str:
    return "***" if arrival.operation is Operation.LOGIN and arrival.query else arrival.query


def _arrival(scope: Scope, body: bytes, desk: Desk) -> Arrival:
    authorization = ""
    for name, value in scope["headers"]:
        if name == b"authorization":
            authorization = value.decode("latin-1")
    return Arrival(
        method=scope["method"],
        path=scope["path"],
        query=scope["query_string"].decode("latin-1"),
        authorization=authorization,
        body=body,
        at=desk.clock(),
        monotonic_ns=time.monotonic_ns(),
    )


async def _read_body(receive: Receive) -> bytes | None:
    """Read the whole body, None when it is larger than anything a broker takes."""
    message: MutableMapping[str, Any] = await receive()
    body: bytes = message.get("body", b"")
    while message.get("more_body"):
        message = await receive()
        body += message.get("body", b"")
        if len(body) > BODY_BYTES_MAX:
            return None
    return body if len(body) <= BODY_BYTES_MAX else None


async def _send(send: Send, answer: Answer) -> None:
    headers = [
        (b"content-type", answer.content_type),
        (b"content-length", str(len(answer.body)).encode()),
        *answer.headers,
    ]
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": answer.body})


async def _cut_line(receive: Receive, send: Send) -> None:
    """Close the connection without a byte.

    ASGI has no word for this; uvicorn's `send` is a method of the object that owns the transport.
    """
    transport = getattr(getattr(send, "__self__", None), "transport", None)
    if transport is None:
        raise LineCut("the simulator cut the line on purpose")
    transport.close()
    # Until the server has noticed: it would answer 500 for us if we returned before.
    await receive()
