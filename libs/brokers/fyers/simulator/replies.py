"""Answers in FYERS's envelope, and the errors of its table with their HTTP statuses.

Codes and statuses: FYERS API v3 reference, error table; where a status is not documented, the
choice is that of the simulator profile in README.md.
"""

from collections.abc import Mapping
from typing import Any

import orjson

from libs.paper.server.knobs import Operation
from libs.paper.server.requests import Answer

_HTTP_STATUS = {
    -8: 401,
    -15: 401,
    -16: 401,
    -17: 401,
    -429: 429,
}
_DONE = {
    Operation.PLACE: (1101, "Order submitted successfully."),
    Operation.MODIFY: (1102, "Successfully modified order"),
    Operation.CANCEL: (1103, "Successfully cancelled order"),
}


class Refused(Exception):
    """The request is answered with this error and nothing happens."""

    def __init__(
        self, code: int, message: str, *, http_status: int | None = None, wait_ms: int = 0
    ) -> None:
        """Keep the code of the table, the words, and how long to wait where that applies."""
        super().__init__(message)
        self.code = code
        self.http_status = http_status or _HTTP_STATUS.get(code, 400)
        self.wait_ms = wait_ms


def ok(message: str = "", *, code: int = 200, **facts: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON.
    return {"s": "ok", "code": code, "message": message, **facts}


def answer(
    content: Mapping[str, Any],
    *,
    status: int = 200,
    order_id: str | None = None,
    journalled: bool = True,
) -> Answer:
    return Answer(
        status=status, body=orjson.dumps(content), order_id=order_id, journalled=journalled
    )


def rejected(message: str, order_id: str) -> Answer:
    """Answer an order the broker took into its book only to reject it."""
    content = {"s": "error", "code": -99, "message": message, "id": order_id}
    return answer(content, status=400, order_id=order_id)


def without_order_id(operation: Operation) -> Answer:
    """Say that it went well and leave out what the caller needs: id, rows, token."""
    code, message = _DONE.get(operation, (200, ""))
    return answer(ok(message, code=code))


def unknown_code() -> Answer:
    return refusal(Refused(-7777, "Something nobody has written down"))


def refusal(error: Refused) -> Answer:
    reply = answer(
        {"s": "error", "code": error.code, "message": str(error)}, status=error.http_status
    )
    if error.wait_ms:
        reply.headers = (
            (b"retry-after", str(-(-error.wait_ms // 1000)).encode()),
            (b"x-retry-after-ms", str(error.wait_ms).encode()),
        )
    return reply
