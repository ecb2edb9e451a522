"""What a FYERS reply means: accepted, refused for good, refused unread, or not known.

The tables are FYERS's error codes (API v3 reference; its v2 sheet for the older ones). A code
that stands in none of them is an unknown outcome, and so is everything not shaped like FYERS.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

import orjson

from libs.brokers.errors import (
    AnswerUnreadable,
    LoginRefused,
    OutcomeUnknown,
    RateLimited,
    SessionExpired,
)
from libs.brokers.fyers.wire.values import text_of
from libs.brokers.http import HTTPReply
from libs.trading.orders import OrderReport, OrderStatus


class Verdict(StrEnum):
    SESSION = "SESSION"
    RATE = "RATE"
    REJECTED = "REJECTED"
    OVER = "OVER"


# Token expired; invalid; not authenticated; invalid or expired.
SESSION_CODES = (-8, -15, -16, -17)
_RATE_CODES = (-429, 429)
_INVALID_SYMBOL = -300
# The order is already cancelled, traded, rejected.
_OVER_CODES = (-161, -162, -164)
_REJECT_CODES = (
    # v3: parameters, order id, position id, refused by risk or exchange, symbol, app or nothing.
    *(-50, -51, -53, -99, -300, -352),
    # v2, still seen: type, order id, exchange not connected, cover and bracket types.
    *(-101, -159, -209, -174, -305, -323),
    # Prices, quantity, stop loss, side, product, stop limit, target, validity, disclosed, offline.
    *(-308, -309, -310, -311, -313, -314, -315, -316, -325, -326, -327, -328),
    # Exit in progress, limit price, price, permission, stop price, tick size, nothing there.
    *(-329, -353, -372, -373, -390, -392, -397, -398, -399),
)

# By (HTTP status, code). A refusal can come with 200.
REFUSALS: Mapping[tuple[int, int], Verdict] = {
    **{(http, code): Verdict.SESSION for http in (200, 400, 401, 403) for code in SESSION_CODES},
    **{(http, code): Verdict.RATE for http in (200, 400, 429) for code in _RATE_CODES},
    **{(http, code): Verdict.OVER for http in (200, 400) for code in _OVER_CODES},
    **{(http, code): Verdict.REJECTED for http in (200, 400) for code in _REJECT_CODES},
    (403, -373): Verdict.REJECTED,
}
# Whatever its code, a FYERS-shaped refusal with this status.
REFUSALS_BY_STATUS: Mapping[int, Verdict] = {401: Verdict.SESSION, 429: Verdict.RATE}

# Placed 1101, modified 1102, cancelled 1103; samples mix them. 201 is sent but not acknowledged.
_ACCEPTED_CODE_MIN = 1101
_RETRY_AFTER_S = 1.0
# Windows are seconds or a minute long; the block for the rest of the day is hours.
_DAY_BLOCK_AFTER_S = 600


class AlreadyOver(OutcomeUnknown):
    """A modification or cancel came too late: the order is traded, cancelled or rejected."""


def read_order_reply(reply: HTTPReply, *, client_order_id: str) -> OrderReport:
    """Read the answer to a place, modify or cancel.

    ACKED or REJECTED, with the broker's code and words for a refusal; else the errors of the
    tree, or `AlreadyOver`.
    """
    payload = _payload(reply)
    code, message = _code(payload), str(payload.get("message", ""))
    order_id = text_of(payload.get("id")) or ""
    if payload["s"] == "ok":
        if order_id and code >= _ACCEPTED_CODE_MIN and 200 <= reply.status < 300:
            return OrderReport(
                status=OrderStatus.ACKED,
                broker_order_id=order_id,
                client_order_id=client_order_id,
                message=message,
            )
        raise AnswerUnreadable(f"HTTP {reply.status}, code {code}, id {order_id!r}: {message}")
    verdict = _refusal(reply, code, message)
    if verdict is Verdict.OVER:
        raise AlreadyOver(f"code {code}: {message}")
    if verdict is Verdict.REJECTED:
        return OrderReport(
            status=OrderStatus.REJECTED,
            broker_order_id=order_id,
            client_order_id=client_order_id,
            code=str(code),
            message=message,
        )
    raise AnswerUnreadable(f"HTTP {reply.status}, code {code} is not in the table: {message}")


def read_payload(reply: HTTPReply) -> Mapping[str, Any]:
    """Read a successful answer to a question. Raise the tree for anything else."""
    payload = _payload(reply)
    code, message = _code(payload), str(payload.get("message", ""))
    if payload["s"] == "ok" and 200 <= reply.status < 300:
        return payload
    _refusal(reply, code, message)
    raise AnswerUnreadable(f"HTTP {reply.status}, code {code}: {message}")


def read_listed(reply: HTTPReply) -> Mapping[str, Any] | None:
    """Read an answer about symbols; None when it says that the broker lists none of them."""
    payload = _payload(reply)
    unlisted = payload["s"] == "error" and _code(payload) == _INVALID_SYMBOL
    if unlisted and _verdict(reply.status, _INVALID_SYMBOL) is Verdict.REJECTED:
        return None
    return read_payload(reply)


def read_rows(reply: HTTPReply, key: str) -> list[Mapping[str, Any]]:
    """Read a list of objects from a successful answer, complete or an error."""
    rows = read_payload(reply).get(key)
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise AnswerUnreadable(f"{key} is not a list of objects")
    return rows


def read_login(reply: HTTPReply) -> Mapping[str, Any]:
    """Read the answer to a token exchange. A refusal keeps the broker's words."""
    payload = _payload(reply)
    if payload["s"] == "ok" and 200 <= reply.status < 300:
        return payload
    code, message = _code(payload), str(payload.get("message", ""))
    if _verdict(reply.status, code) is Verdict.RATE:
        raise _rate_limited(reply, message)
    raise LoginRefused(message or f"code {code}", code=str(code))


def _payload(reply: HTTPReply) -> dict[str, Any]:
    """Open a FYERS-shaped answer: JSON by its content type, an object with `s`."""
    content_type = reply.headers.get("content-type", "")
    if reply.status >= 500 or 300 <= reply.status < 400:
        raise _shapeless(reply, "an error page or a redirect")
    if content_type.partition(";")[0].strip().lower() != "application/json":
        raise _shapeless(reply, "not JSON")
    try:
        payload = orjson.loads(reply.body)
    except orjson.JSONDecodeError as error:
        raise _shapeless(reply, "not JSON") from error
    if not isinstance(payload, dict) or payload.get("s") not in ("ok", "error"):
        raise _shapeless(reply, "not the broker's shape")
    return payload


def _shapeless(reply: HTTPReply, what: str) -> OutcomeUnknown:
    content_type = reply.headers.get("content-type", "no content type")
    # Their own error page is an ordinary failure; any other strange shape is news for a person.
    kind = OutcomeUnknown if reply.status >= 500 else AnswerUnreadable
    return kind(f"HTTP {reply.status}, {content_type}: {what}")


def _code(payload: Mapping[str, Any]) -> int:
    code = payload.get("code", 0)
    return code if isinstance(code, int) else 0


def _verdict(status: int, code: int) -> Verdict | None:
    return REFUSALS.get((status, code)) or REFUSALS_BY_STATUS.get(status)


def _refusal(reply: HTTPReply, code: int, message: str) -> Verdict | None:
    """Raise for a refusal before processing, else return what kind of refusal it is."""
    verdict = _verdict(reply.status, code)
    if verdict is Verdict.SESSION:
        raise SessionExpired(f"code {code}: {message}")
    if verdict is Verdict.RATE:
        raise _rate_limited(reply, message)
    return verdict


def _rate_limited(reply: HTTPReply, message: str) -> RateLimited:
    after_s = _seconds(reply.headers.get("x-retry-after-ms"), 1000)
    if after_s is None:
        after_s = _seconds(reply.headers.get("retry-after"), 1)
    if after_s is None:
        after_s = _RETRY_AFTER_S
    return RateLimited(message, retry_after_s=after_s, day_blocked=after_s > _DAY_BLOCK_AFTER_S)


def _seconds(text: str | None, per_second: int) -> float | None:
    try:
        return max(0.0, float(text) / per_second) if text else None
    except ValueError:
        return None
