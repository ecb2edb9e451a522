"""From a request to its answer: knobs, the broker's own rules, the journal, then the reply.

The journal line is on disk before the answer leaves. A broker's simulator is plain synchronous
code behind this door, so two requests never interleave inside it.
"""

import asyncio
import time
from collections.abc import MutableMapping
from dataclasses import dataclass
from typing import Any, Protocol

import orjson
import structlog
from prometheus_client import Counter
from starlette.types import Receive, Scope, Send

from libs.paper.server.desk import Desk
from libs.paper.server.failures import Failures, Misspeaker, cut_line, send_answer
from libs.paper.server.journal import JournalBroken
from libs.paper.server.knobs import Knobs, Operation, Outcome
from libs.paper.server.requests import Answer, Arrival

log = structlog.get_logger()

BODY_BYTES_MAX = 64 * 1024
_ARRIVALS = Counter(
    "lockstep_simulator_arrivals_total",
    "Requests that reached the simulator, by what they ask for and the HTTP status answered.",
    ["operation", "status"],
)
_NOT_ACTED = 500
_TOO_LARGE = Answer(status=413, body=b"413 Content Too Large\n", content_type=b"text/plain")


class Counterpart(Misspeaker, Protocol):
    """The broker behind the door."""

    def identify(self, arrival: Arrival) -> None:
        """Fill in the arrival's operation and client, and mark a body that holds secrets."""

    def answer(self, arrival: Arrival) -> Answer:
        """Act and answer. Never raises for anything a caller can send."""


@dataclass(slots=True)
class _Request:
    """A body as it came. It is not whole when the caller left in the middle of it."""

    body: bytes = b""
    is_whole: bool = False

    @property
    def is_too_large(self) -> bool:
        return len(self.body) > BODY_BYTES_MAX


class Door:
    """Serves one broker's HTTP requests."""

    def __init__(self, desk: Desk, knobs: Knobs, counterpart: Counterpart) -> None:
        """Stand in front of this counterpart."""
        self._desk = desk
        self._knobs = knobs
        self._counterpart = counterpart
        self._failures = Failures(counterpart)

    async def serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = await _read_body(receive)
        arrival = _arrival(scope, request.body[:BODY_BYTES_MAX], self._desk)
        acted: Answer | None = None
        try:
            self._counterpart.identify(arrival)
            if request.is_whole or request.is_too_large:
                arrival.knob = self._knobs.take(arrival.client_id, arrival.operation)
                acted = self._act(arrival, request)
        finally:
            # Whatever went wrong in between: what arrived is written down.
            self._write_down(arrival, acted, request)
        try:
            await self._desk.journal.durable()
        except JournalBroken:
            log.exception("journal_broken")
            await cut_line(receive, send)
            return
        if arrival.knob.latency_ms:
            await asyncio.sleep(arrival.knob.latency_ms / 1000)
        if arrival.knob.fails:
            await self._failures.fail(arrival, acted, receive, send)
        elif acted is not None:
            await send_answer(send, acted)

    def _act(self, arrival: Arrival, request: _Request) -> Answer | None:
        """Return the broker's own answer, None when the knob forbids it to act."""
        if arrival.knob.outcome is Outcome.FAIL_BEFORE_ACT:
            return None
        return _TOO_LARGE if request.is_too_large else self._counterpart.answer(arrival)

    def _write_down(self, arrival: Arrival, acted: Answer | None, request: _Request) -> None:
        status = acted.status if acted else _NOT_ACTED
        _ARRIVALS.labels(arrival.operation, status).inc()
        knob = arrival.knob
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
            "whole": request.is_whole,
            "status": status,
            "answer": orjson.Fragment(acted.body) if acted and acted.journalled else None,
            "order_id": acted.order_id if acted else None,
            "knob": knob.outcome,
            "knob_id": knob.id or None,
            "failure": knob.failure if knob.fails else None,
            "answered": acted is not None and not knob.fails,
        }
        self._desk.journal.append(record)


async def _read_body(receive: Receive) -> _Request:
    """Read the body to its end, or until it is larger than anything a broker takes."""
    request = _Request()
    while not request.is_whole and not request.is_too_large:
        message: MutableMapping[str, Any] = await receive()
        if message["type"] == "http.disconnect":
            return request
        request.body += message.get("body", b"")
        request.is_whole = not message.get("more_body")
    return request


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
