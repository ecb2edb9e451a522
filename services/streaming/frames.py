"""The frames of `/ws/orders` as text; an event is written to JSON once for all who may see it."""

from datetime import UTC, datetime
from typing import Any

import orjson

from libs.contracts.order_json import order_json
from libs.trading.accounts import Account
from libs.trading.events import Notice, OrderChanged

HEARTBEAT_S = 10


def hello(now: datetime) -> str:
    return _text({"type": "hello", "server_time": _instant(now), "heartbeat_s": HEARTBEAT_S})


def heartbeat(now: datetime) -> str:
    return _text({"type": "heartbeat", "server_time": _instant(now)})


def stale(since: datetime) -> str:
    """Say that the bus cannot be read: what the client shows is from then."""
    return _text({"type": "stale", "since": _instant(since)})


def resync() -> str:
    """Say that the bus is read again; something may have been missed: read `GET /orders`."""
    return _text({"type": "resync"})


def of(event: OrderChanged | Notice | Account) -> str:
    if isinstance(event, OrderChanged):
        return order(event)
    return notice(event) if isinstance(event, Notice) else session(event)


def order(changed: OrderChanged) -> str:
    return _text({"type": "order", "order": order_json(changed)})


def notice(told: Notice) -> str:
    return _text(
        {
            "type": "notice",
            "notice": {
                "notice_id": told.notice_id,
                "kind": told.kind.value,
                "code": told.code,
                "subject": told.subject,
                "at": _instant(told.at),
                "figures": told.figures,
            },
        }
    )


def session(account: Account) -> str:
    expires_at = account.session_expires_at
    return _text(
        {
            "type": "session",
            "account": {
                "account_id": account.account_id,
                "broker": account.broker,
                "kind": account.kind.value,
                "version": account.version,
                "session_state": account.session_state.value,
                "environment": account.environment.value,
                "broker_client_id": account.broker_client_id,
                "session_expires_at": _instant(expires_at) if expires_at else None,
            },
        }
    )


def _instant(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def _text(frame: dict[str, Any]) -> str:
    return orjson.dumps(frame).decode()
