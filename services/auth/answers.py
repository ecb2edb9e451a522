"""What auth answers over HTTP, as the API client sees it. A secret has no field here."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Literal

from pydantic import BaseModel

from libs.trading.accounts import Account
from services.auth.copies import instant
from services.auth.flow import Status
from services.auth.margins import Margin
from services.auth.notices import sentence
from services.auth.repository_people import User


class Person(BaseModel):
    user_id: str
    email: str
    display_name: str
    roles: list[str]


class DemoSignIn(BaseModel):
    email: str
    password: str
    display_name: str
    roles: list[str]


class SignInOptions(BaseModel):
    """How one may sign in here. Only a demo machine lists people."""

    environment: Literal["production", "local"]
    demo_sign_ins: list[DemoSignIn] = []


class CreatedUser(BaseModel):
    user_id: str


class ApiKey(BaseModel):
    key_id: str
    label: str
    created_at: str
    last_used_at: str | None


class ApiKeys(BaseModel):
    api_keys: list[ApiKey]


class CreatedApiKey(BaseModel):
    key_id: str
    api_key: str


class Done(BaseModel):
    code: str
    message: str


class AuthURLData(BaseModel):
    url: str
    state: str


class AuthURLAnswer(BaseModel):
    code: Literal["SUCCESS"] = "SUCCESS"
    data: AuthURLData


class ConnectedData(BaseModel):
    broker_client_id: str
    account_id: str


class ConnectedAnswer(BaseModel):
    code: Literal["BROKER_CONNECTED"] = "BROKER_CONNECTED"
    message: str
    data: ConnectedData


class DisconnectedData(BaseModel):
    account_id: str
    logged_out_at_broker: bool


class DisconnectedAnswer(BaseModel):
    code: Literal["BROKER_DISCONNECTED"] = "BROKER_DISCONNECTED"
    message: str
    data: DisconnectedData


class StatusData(BaseModel):
    """`available_margin` is in rupees, read at `available_margin_at`, `margin_age_s` ago."""

    is_connected: bool
    connection_status: Literal["connected", "expired", "error", "disconnected"]
    account_id: str | None = None
    broker_client_id: str | None = None
    environment: Literal["PAPER", "LIVE"] | None = None
    last_sync: str | None = None
    expires_at: str | None = None
    available_margin: str | None = None
    available_margin_at: str | None = None
    margin_age_s: int | None = None


class StatusAnswer(BaseModel):
    code: Literal["SUCCESS"] = "SUCCESS"
    data: StatusData


class Notification(BaseModel):
    notice_id: str
    kind: Literal["NOTIFICATION", "ALARM_OPENED", "ALARM_CLEARED"]
    code: str
    message: str
    subject: str
    figures: dict[str, str]
    at: str
    read_at: str | None


class Notifications(BaseModel):
    """Newest first; `cursor` goes into `before` for the next page, None at the end."""

    notifications: list[Notification]
    unread: int
    cursor: str | None


def person(user: User) -> Person:
    return Person(
        user_id=user.user_id,
        email=user.email,
        display_name=user.display_name,
        roles=list(user.roles),
    )


def api_key(row: Mapping[str, Any]) -> ApiKey:
    return ApiKey(
        key_id=row["key_id"],
        label=row["label"],
        created_at=instant(row["created_at"]),
        last_used_at=_instant(row["last_used_at"]),
    )


def connected(account: Account, message: str) -> ConnectedAnswer:
    data = ConnectedData(broker_client_id=account.broker_client_id, account_id=account.account_id)
    return ConnectedAnswer(message=message, data=data)


def status(found: Status) -> StatusAnswer:
    data = StatusData.model_validate(
        {"is_connected": found.is_connected, "connection_status": found.connection_status}
    )
    if found.standing is not None:
        account = found.standing.account
        data.account_id = account.account_id
        data.environment = account.environment.value
        data.last_sync = _instant(_latest(found.standing.last_sync_at, found.margin))
        data.expires_at = _instant(account.session_expires_at)
        if found.connection_status != "disconnected":
            data.broker_client_id = account.broker_client_id
    if found.margin is not None:
        data.available_margin = f"{found.margin.available:.2f}"
        data.available_margin_at = instant(found.margin.at)
        data.margin_age_s = int((datetime.now(UTC) - found.margin.at).total_seconds())
    return StatusAnswer(data=data)


def notification(row: Mapping[str, Any]) -> Notification:
    return Notification(
        notice_id=row["notice_id"],
        kind=row["kind"],
        code=row["code"],
        message=sentence(row["code"], row["figures"]),
        subject=row["subject"],
        figures=row["figures"],
        at=instant(row["at"]),
        read_at=_instant(row["read_at"]),
    )


def _latest(synced_at: datetime | None, margin: Margin | None) -> datetime | None:
    # Another replica may have asked the broker after this one did.
    return max((at for at in (synced_at, margin and margin.at) if at), default=None)


def _instant(at: datetime | None) -> str | None:
    return instant(at) if at else None
