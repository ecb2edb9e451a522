"""A request as every simulator sees it, and the answer it gives: plain data, quick to make."""

from dataclasses import dataclass
from datetime import datetime

import orjson

from libs.paper.server.knobs import UNTOUCHED, Knob, Operation

JSON = b"application/json"
_JOURNAL_TEXT_MAX = 4096


class NotJSON(ValueError):
    """The body is no JSON."""


@dataclass(slots=True, kw_only=True)
class Arrival:
    """One request. `client_id` is None when nobody could be identified.

    `secret_body` keeps the body out of the journal (logins).
    """

    method: str
    path: str
    query: str
    authorization: str
    body: bytes
    at: datetime
    monotonic_ns: int
    operation: Operation = Operation.ACCOUNT
    client_id: str | None = None
    knob: Knob = UNTOUCHED
    secret_body: bool = False

    def json(self) -> object:
        """Parse the body; empty counts as `null`. Raise `NotJSON`."""
        try:
            parsed: object = orjson.loads(self.body) if self.body.strip() else None
        except orjson.JSONDecodeError as error:
            raise NotJSON(str(error)) from error
        return parsed

    def journal_body(self) -> object:
        """Give the body as the journal keeps it: its JSON, or a bounded text, or a mask."""
        if not self.body.strip():
            return None
        if self.secret_body:
            return "***"
        try:
            parsed = self.json()
        except NotJSON:
            return self.body[:_JOURNAL_TEXT_MAX].decode(errors="replace")
        return orjson.Fragment(self.body) if b"\n" not in self.body else parsed


@dataclass(slots=True, kw_only=True)
class Answer:
    """What goes back. `order_id` names the order this request created or touched.

    `journalled` decides whether the body (JSON on one line) is written down too: short answers
    are, books and tokens are not.
    """

    status: int
    body: bytes
    content_type: bytes = JSON
    headers: tuple[tuple[bytes, bytes], ...] = ()
    order_id: str | None = None
    journalled: bool = False
