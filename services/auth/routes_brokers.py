"""HTTP of broker connections: the same routes for followers (`/client`) and masters (`/trader`)."""

from typing import Any

from fastapi import APIRouter, Request

from libs.brokers.manifest import BrokerManifest
from libs.runtime.identity import Principal, Role, requires
from libs.runtime.problems import Problem
from libs.trading.accounts import AccountKind
from services.auth import answers
from services.auth.bodies import ConnectBody, OwnAppBody
from services.auth.brokers import manifest_of
from services.auth.login_states import Link, require_state
from services.auth.requests import Connections, actor_of

_REPLY_CHARACTERS_MAX = 8192


def _routes(side: str, kind: AccountKind, who: Any) -> APIRouter:  # noqa: ANN401  # FastAPI's marker has no type.
    router = APIRouter(prefix=f"/{side}/broker/{{broker}}", tags=[f"{side} broker"])

    @router.get("/auth-url")
    async def auth_url(
        broker: str, flow: Connections, owner: Principal = who
    ) -> answers.AuthURLAnswer:
        """Begin a login at the broker."""
        url, state = await flow.auth_url(_link(owner, broker, kind))
        return answers.AuthURLAnswer(data=answers.AuthURLData(url=url, state=state))

    @router.post("/connect")
    async def connect(
        broker: str, body: ConnectBody, request: Request, flow: Connections, owner: Principal = who
    ) -> answers.ConnectedAnswer:
        """Finish a login with what the broker put into the callback address."""
        link, manifest = _link(owner, broker, kind), manifest_of(broker)
        require_state(body.state)
        reply = _reply(manifest, body)
        account = await flow.connect(link, body.state, reply, actor_of(owner, request))
        message = manifest.texts.get("connected", f"Successfully connected to {manifest.title}")
        return answers.connected(account, message)

    @router.get("/status")
    async def status(
        broker: str, flow: Connections, owner: Principal = who
    ) -> answers.StatusAnswer:
        """Show the connection, with the margin read live at most some seconds ago."""
        return answers.status(await flow.status(_link(owner, broker, kind)))

    @router.post("/refresh")
    async def refresh(broker: str, flow: Connections, owner: Principal = who) -> answers.Done:
        """Renew the session where the broker allows it; else say that a new login is needed."""
        await flow.refresh(_link(owner, broker, kind))
        return answers.Done(code="SUCCESS", message="The session was renewed.")

    @router.delete("/disconnect")
    async def disconnect(
        broker: str, request: Request, flow: Connections, owner: Principal = who
    ) -> answers.DisconnectedAnswer:
        """End the connection here and at the broker; what was stored is destroyed."""
        link = _link(owner, broker, kind)
        account_id, logged_out = await flow.disconnect(link, actor_of(owner, request))
        return answers.DisconnectedAnswer(
            message=f"Disconnected from {manifest_of(broker).title}",
            data=answers.DisconnectedData(account_id=account_id, logged_out_at_broker=logged_out),
        )

    @router.put("/credentials")
    async def own_app(
        broker: str, body: OwnAppBody, request: Request, flow: Connections, owner: Principal = who
    ) -> answers.Done:
        """Store the account's own application at the broker; it wins from the next login on."""
        link = _link(owner, broker, kind)
        await flow.store_own_app(link, body.app_id, body.api_secret, actor_of(owner, request))
        return answers.Done(code="SUCCESS", message="Stored. Connect again to use it.")

    return router


def _link(owner: Principal, broker: str, kind: AccountKind) -> Link:
    return Link(user_id=owner.user_id, broker=manifest_of(broker).name, kind=kind)


def _reply(manifest: BrokerManifest, body: ConnectBody) -> dict[str, str]:
    """Pick what this broker's login reads; refuse a reply without its grant."""
    sent = body.model_extra or {}
    reply: dict[str, str] = {}
    for name in manifest.login_reply_fields:
        value = sent.get(name)
        if value is None:
            continue
        if not isinstance(value, str) or not 0 < len(value) <= _REPLY_CHARACTERS_MAX:
            message = f"{name}: must be a text of 1 to {_REPLY_CHARACTERS_MAX} characters"
            raise Problem(422, "INVALID", message, field=name)
        reply[name] = value
    grant = [f for f in manifest.login_reply_fields if f not in manifest.login_refusal_fields]
    if grant and not reply.keys() & set(grant):
        message = (
            f"{grant[0]}: is missing: send what {manifest.title} put into the callback address"
        )
        raise Problem(422, "INVALID", message, field=grant[0])
    return reply


routers = (
    _routes("client", AccountKind.CLIENT, requires(Role.FOLLOWER)),
    _routes("trader", AccountKind.TRADER, requires(Role.MASTER)),
)
