"""HTTP of webhooks: the address alerts are sent to, and what their master does with it."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request, Response
from uuid_utils import uuid7

from libs.runtime.identity import Principal, public
from services.signal import refusals, webhooks_refusals
from services.signal.requests import Master, PageSize, WebhookRows, Webhooks
from services.signal.webhooks import ALERT_BYTES_MAX, Webhook
from services.signal.webhooks_bodies import (
    AlertAnswer,
    DeliveriesAnswer,
    RotationBody,
    SecretsAnswer,
    WebhookAnswer,
    WebhookBody,
    WebhookChangeBody,
    WebhooksAnswer,
    alert_answer,
    deliveries_answer,
    secrets_answer,
    webhook_answer,
)
from services.signal.webhooks_repository import WEBHOOKS_MAX, Keys, NewWebhook, WebhookRepository
from services.signal.webhooks_secrets import hash_of, new_secret, new_signing_key, sealed

router = APIRouter()

_ALERT_BODY = {
    "requestBody": {
        "required": True,
        "description": "The alert, as JSON, whatever its content type says.",
        "content": {"application/json": {}, "text/plain": {}},
    }
}


async def _own_webhook(
    strategy_id: UUID, webhook_id: UUID, master: Master, repository: WebhookRows
) -> Webhook:
    webhook = await repository.own_webhook(master.user_id, str(strategy_id), str(webhook_id))
    if webhook is None:
        raise webhooks_refusals.webhook_unknown()
    return webhook


OwnWebhook = Annotated[Webhook, Depends(_own_webhook)]


@router.post(
    "/webhooks/{strategy_id}/{secret}",
    status_code=202,
    tags=["webhooks"],
    dependencies=[public()],
    openapi_extra=_ALERT_BODY,
)
async def take_alert(
    strategy_id: str, secret: str, request: Request, flow: Webhooks
) -> AlertAnswer:
    """Take an alert: its signals are durable when answered. Whoever has the address may send."""
    webhook = await flow.find(strategy_id, secret)
    await flow.admit(webhook)
    body = await _body(request)
    if body is None:
        await flow.refuse_size(webhook)
    header = webhook.signature_header
    delivery = await flow.deliver(
        webhook,
        body,
        secret=secret,
        signature=request.headers.get(header) if header else None,
    )
    return alert_answer(delivery)


@router.post("/strategies/{strategy_id}/webhooks", status_code=201, tags=["webhooks"])
async def create_webhook(
    strategy_id: UUID, body: WebhookBody, master: Master, repository: WebhookRows
) -> SecretsAnswer:
    """Create an address for alerts. Its secret and its signing key are shown this once."""
    if not await repository.owns(master.user_id, str(strategy_id)):
        raise refusals.strategy_not_yours()
    secret, signing_key, keys = _new_keys(body.signature_header)
    new = NewWebhook(
        webhook_id=str(uuid7()),
        strategy_id=str(strategy_id),
        name=body.name,
        format=body.format,
        mapping=body.mapping,
        replay_window_s=body.window_s(),
        keys=keys,
    )
    if not await repository.add(new):
        raise webhooks_refusals.too_many_webhooks(WEBHOOKS_MAX)
    created = await _own_webhook(strategy_id, UUID(new.webhook_id), master, repository)
    return secrets_answer(created, secret, signing_key)


@router.get("/strategies/{strategy_id}/webhooks", tags=["webhooks"])
async def own_webhooks(
    strategy_id: UUID, master: Master, repository: WebhookRows
) -> WebhooksAnswer:
    if not await repository.owns(master.user_id, str(strategy_id)):
        raise refusals.strategy_not_yours()
    webhooks = await repository.own_webhooks(master.user_id, str(strategy_id))
    return WebhooksAnswer(webhooks=[webhook_answer(webhook) for webhook in webhooks])


@router.patch("/strategies/{strategy_id}/webhooks/{webhook_id}", tags=["webhooks"])
async def change_webhook(
    body: WebhookChangeBody, webhook: OwnWebhook, master: Master, repository: WebhookRows
) -> WebhookAnswer:
    """Change name, mapping or replay window, from the next alert on."""
    await repository.change(
        webhook.webhook_id,
        name=body.name or webhook.name,
        mapping=body.mapping or webhook.mapping,
        replay_window_s=body.replay_window_s or webhook.replay_window_s,
    )
    return webhook_answer(await _again(webhook, master, repository))


@router.post("/strategies/{strategy_id}/webhooks/{webhook_id}/rotate", tags=["webhooks"])
async def rotate_webhook(
    body: RotationBody, webhook: OwnWebhook, master: Master, repository: WebhookRows
) -> SecretsAnswer:
    """Give a webhook new secrets, shown this once; the old address is gone at once."""
    secret, signing_key, keys = _new_keys(body.header_after(webhook.signature_header))
    await repository.rotate(webhook.webhook_id, keys)
    return secrets_answer(await _again(webhook, master, repository), secret, signing_key)


@router.delete(
    "/strategies/{strategy_id}/webhooks/{webhook_id}", status_code=204, tags=["webhooks"]
)
async def delete_webhook(webhook: OwnWebhook, _: Master, repository: WebhookRows) -> Response:
    """Delete a webhook with its deliveries. Its signals stay."""
    await repository.delete(webhook.webhook_id)
    return Response(status_code=204)


@router.get("/strategies/{strategy_id}/webhooks/{webhook_id}/deliveries", tags=["webhooks"])
async def webhook_deliveries(
    webhook: OwnWebhook,
    _: Master,
    repository: WebhookRows,
    before: Annotated[int | None, Query(ge=1, description="The cursor of the page before.")] = None,
    limit: PageSize = 50,
) -> DeliveriesAnswer:
    """Show what became of the last alerts, newest first."""
    found = await repository.deliveries(webhook.webhook_id, before=before, limit=limit)
    return deliveries_answer(found, limit)


async def _again(webhook: Webhook, master: Principal, repository: WebhookRepository) -> Webhook:
    found = await repository.own_webhook(master.user_id, webhook.strategy_id, webhook.webhook_id)
    if found is None:
        raise webhooks_refusals.webhook_unknown()
    return found


def _new_keys(signature_header: str | None) -> tuple[str, str | None, Keys]:
    secret = new_secret()
    signing_key = new_signing_key() if signature_header else None
    keys = Keys(
        secret_hash=hash_of(secret),
        signature_header=signature_header,
        sealed_signing_key=sealed(signing_key, secret) if signing_key else None,
    )
    return secret, signing_key, keys


async def _body(request: Request) -> bytes | None:
    """Read the body; None as soon as it is larger than an alert may be."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > ALERT_BYTES_MAX:
            return None
    return bytes(body)
