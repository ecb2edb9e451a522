"""The JSON about webhooks: what a master sends, and what a master and a sender get."""

import re
from datetime import datetime
from typing import Annotated

from pydantic import AfterValidator, BaseModel, Field, model_validator

from libs.contracts.fields import Body
from services.signal.alerts import AlertFormat
from services.signal.alerts_mapping import MappingBody
from services.signal.bodies import Name
from services.signal.webhooks import Delivery, Outcome, Webhook
from services.signal.webhooks_repository import StoredDelivery

# An alert that says when it was made can not be sent again later; for one that does not, only a
# short while tells a repetition from the next one that reads alike.
WINDOW_WITH_MOMENT_S = 300
WINDOW_WITHOUT_S = 30
_HEADER = re.compile(r"[A-Za-z][A-Za-z0-9-]{1,63}")
# They say something else to the edge or to us.
_TAKEN = {
    "authorization", "connection", "content-encoding", "content-length", "content-type", "cookie",
    "forwarded", "host", "origin", "transfer-encoding", "x-correlation-id", "x-real-ip",
    "x-service-token",
}  # fmt: skip


def _header(name: str) -> str:
    lower = name.lower()
    if not _HEADER.fullmatch(name) or lower in _TAKEN or lower.startswith("x-forwarded-"):
        raise ValueError("must be the name of a header of its own, as X-Signature")
    return name


HeaderName = Annotated[str, AfterValidator(_header), Field(examples=["X-Signature"])]
Window = Annotated[int, Field(strict=True, ge=5, le=3600)]


class WebhookBody(Body):
    """`signature_header` asks for an HMAC over each body; `replay_window_s` has a default."""

    name: Name
    format: AlertFormat
    mapping: MappingBody
    replay_window_s: Window | None = None
    signature_header: HeaderName | None = None

    def window_s(self) -> int:
        if self.replay_window_s is not None:
            return self.replay_window_s
        return WINDOW_WITH_MOMENT_S if self.mapping.alerted_at else WINDOW_WITHOUT_S


class WebhookChangeBody(Body):
    name: Name | None = None
    mapping: MappingBody | None = None
    replay_window_s: Window | None = None

    @model_validator(mode="after")
    def _says_something(self) -> "WebhookChangeBody":
        if self.name is None and self.mapping is None and self.replay_window_s is None:
            raise ValueError("give a new name, a new mapping, a new replay_window_s or several")
        return self


class RotationBody(Body):
    """Without `signature_header` signing stays as it was; null ends it."""

    signature_header: HeaderName | None = None

    def header_after(self, before: str | None) -> str | None:
        return self.signature_header if "signature_header" in self.model_fields_set else before


class WebhookAnswer(BaseModel):
    webhook_id: str
    strategy_id: str
    name: str
    format: AlertFormat
    mapping: MappingBody
    replay_window_s: int
    signature_header: str | None
    created_at: datetime
    changed_at: datetime
    rotated_at: datetime


class WebhooksAnswer(BaseModel):
    webhooks: list[WebhookAnswer]


class SecretsAnswer(BaseModel):
    """Shown once: nobody can look them up again. `path` ends in the secret."""

    webhook: WebhookAnswer
    path: str
    signing_key: str | None


class DeliveryAnswer(BaseModel):
    at: datetime
    outcome: Outcome
    signal_ids: list[str]
    refused: int
    problem: str


class DeliveriesAnswer(BaseModel):
    """Newest first, the last few hundred. `cursor` is the `before` of the next page."""

    deliveries: list[DeliveryAnswer]
    cursor: str | None


class AlertAnswer(BaseModel):
    """202 of an alert; the same alert again gets the same signals."""

    outcome: Outcome
    signal_ids: list[str]
    refused: int


def webhook_answer(webhook: Webhook) -> WebhookAnswer:
    return WebhookAnswer(
        webhook_id=webhook.webhook_id,
        strategy_id=webhook.strategy_id,
        name=webhook.name,
        format=webhook.format,
        mapping=webhook.mapping,
        replay_window_s=webhook.replay_window_s,
        signature_header=webhook.signature_header,
        created_at=webhook.created_at,
        changed_at=webhook.changed_at,
        rotated_at=webhook.rotated_at,
    )


def secrets_answer(webhook: Webhook, secret: str, signing_key: str | None) -> SecretsAnswer:
    return SecretsAnswer(
        webhook=webhook_answer(webhook),
        path=f"/webhooks/{webhook.strategy_id}/{secret}",
        signing_key=signing_key,
    )


def deliveries_answer(deliveries: list[StoredDelivery], limit: int) -> DeliveriesAnswer:
    more = len(deliveries) == limit
    return DeliveriesAnswer(
        deliveries=[
            DeliveryAnswer(
                at=delivery.at,
                outcome=delivery.outcome,
                signal_ids=list(delivery.signal_ids),
                refused=delivery.refused,
                problem=delivery.problem,
            )
            for delivery in deliveries
        ],
        cursor=str(deliveries[-1].delivery_id) if more else None,
    )


def alert_answer(delivery: Delivery) -> AlertAnswer:
    return AlertAnswer(
        outcome=delivery.outcome,
        signal_ids=list(delivery.signal_ids),
        refused=delivery.refused,
    )
