"""`/_control/*`: how tests, the demo and operators look into a simulator and mistreat it.

Open to callers on this machine, and to others with the control token; never to a web page (any
request with an `Origin` is refused) and never routed by the edge.
"""

import hmac
from collections.abc import Mapping
from decimal import Decimal
from ipaddress import ip_address
from typing import Annotated, Any, Protocol

from fastapi import Depends, FastAPI, HTTPException, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response

from libs.paper.errors import PaperRefusal, UnknownAccount
from libs.paper.fills import FillScript, FillStep
from libs.paper.orders import OrderRequest
from libs.paper.server import views
from libs.paper.server.control_bodies import (
    AccountBody,
    AuthorizationBody,
    FeedDropBody,
    FeedReplayBody,
    FillsBody,
    ForeignOrderBody,
    KnobBody,
    PriceBody,
    SessionsBody,
    WalkBody,
)
from libs.paper.server.desk import Desk
from libs.paper.server.knobs import Knobs
from libs.trading.orders import OrderTerms

TOKEN_HEADER = "X-Control-Token"  # noqa: S105 - a header's name.


class ControlledBroker(Protocol):
    """What the control routes need of the simulator they belong to."""

    desk: Desk
    knobs: Knobs

    def open_account(self, client_id: str, funds: Decimal, pin: str) -> None: ...

    def expire_sessions(self, client_id: str | None) -> int:
        """End the sessions of one client or of all; return how many were alive."""

    def authorize(self, *, client_id: str, app_id: str, redirect_uri: str, state: str) -> str:
        """Log a client in without its browser: return where the browser would be sent."""

    def drop_feed(self, client_id: str | None, for_s: float) -> int:
        """Close order sockets of one client or of all and refuse new ones; return how many."""

    async def replay_feed(self, client_id: str | None, *, is_reversed: bool, times: int) -> int:
        """Send the day's order messages again to who listens; return how many were sent."""

    def limits(self) -> Mapping[str, Any]: ...

    def set_limits(self, changes: Mapping[str, Any]) -> None:
        """Change some of the limits. Raise `ValueError` for one that does not exist."""

    def state(self) -> Mapping[str, Any]: ...


def build_control(broker: ControlledBroker, token: str | None) -> FastAPI:
    """Build the control application; `token` None leaves it to callers on this machine."""

    async def guard(request: Request) -> None:
        if not _allowed(request, token):
            raise HTTPException(403, "the control routes are for this machine only")

    app = FastAPI(
        title="Simulator control",
        openapi_url="/_control/openapi.json",
        docs_url=None,
        redoc_url=None,
        dependencies=[Depends(guard)],
    )
    app.add_exception_handler(PaperRefusal, _refusal)
    app.add_exception_handler(RequestValidationError, _misunderstood)
    _add_looking(app, broker)
    _add_market(app, broker)
    _add_accounts(app, broker)
    _add_knobs(app, broker)
    _add_limits(app, broker)
    _add_feed(app, broker)
    return app


async def _refusal(_: Request, refusal: Exception) -> Response:
    status = 404 if isinstance(refusal, UnknownAccount) else 422
    return views.json_response({"detail": str(refusal)}, status)


async def _misunderstood(_: Request, error: Exception) -> Response:
    """Name each field and what it may be, in one sentence a person can act on."""
    assert isinstance(error, RequestValidationError)  # noqa: S101 - registered for nothing else.
    problems = []
    for problem in error.errors():
        name = ".".join(map(str, problem["loc"][1:])) or "body"
        is_unknown = problem["type"] == "extra_forbidden"
        fix = "there is no such field: see /_control/openapi.json" if is_unknown else problem["msg"]
        problems.append(f"{name}: {fix}")
    return views.json_response({"detail": "; ".join(problems)}, 422)


async def _changed(broker: ControlledBroker, content: object, status: int = 200) -> Response:
    """Answer a change once it is on disk, as the broker's own answers do."""
    await broker.desk.journal.durable()
    return views.json_response(content, status)


def _allowed(request: Request, token: str | None) -> bool:
    given = request.headers.get(TOKEN_HEADER)
    if token is not None and given is not None:
        return hmac.compare_digest(given.encode(), token.encode())
    if request.headers.get("origin") is not None or request.client is None:
        return False
    try:
        return ip_address(request.client.host).is_loopback
    except ValueError:
        return False


def _add_looking(app: FastAPI, broker: ControlledBroker) -> None:
    @app.get("/_control/journal")
    async def journal(
        after: Annotated[int, Query(ge=0)] = 0,
        limit: Annotated[int, Query(ge=1, le=10_000)] = 1000,
        kind: Annotated[list[str] | None, Query()] = None,
    ) -> Response:
        """Read committed lines after a cursor; ask again with `last` until nothing comes.

        A cursor is good for the kinds it came with: lines of others lie behind it unread.
        """
        kinds = kind or ["arrival", "order"]
        lines, last = broker.desk.journal.lines(after=after, limit=limit, kinds=kinds)
        body = b'{"entries":[%b],"last":%d}' % (b",".join(lines), last)
        return Response(body, media_type="application/json")

    @app.get("/_control/accounts/{client_id}/book")
    async def book(client_id: str) -> Response:
        return views.json_response(views.book(broker.desk, client_id))

    @app.get("/_control/state")
    async def state() -> Response:
        return views.json_response({**views.market(broker.desk), **broker.state()})

    @app.get("/_control/prices")
    async def prices() -> Response:
        return views.json_response({"prices": broker.desk.exchange.prices})


def _add_market(app: FastAPI, broker: ControlledBroker) -> None:
    @app.get("/_control/price")
    async def price(instrument: str) -> Response:
        found = broker.desk.exchange.prices.get(instrument)
        if found is None:
            raise HTTPException(404, f"{instrument} is not listed")
        return views.json_response({"instrument": instrument, "price": found})

    @app.put("/_control/price")
    async def set_price(body: PriceBody) -> Response:
        """Move the last price; what it reaches or crosses fills before this answers."""
        broker.desk.set_prices({body.instrument: body.price})
        return await _changed(broker, body.model_dump())

    @app.post("/_control/walk")
    async def walk(body: WalkBody) -> Response:
        broker.desk.walking = body.on
        return views.json_response({"on": body.on})

    @app.post("/_control/fills")
    async def fills(body: FillsBody) -> Response:
        """Script how the next marketable orders are filled."""
        steps = [FillStep(percent=step.percent, after_s=step.after_s) for step in body.steps]
        script = FillScript(
            steps=steps, orders=body.orders, client_id=body.client_id, instrument=body.instrument
        )
        broker.desk.add_fill_script(script)
        return await _changed(broker, body.model_dump())


def _add_accounts(app: FastAPI, broker: ControlledBroker) -> None:
    @app.post("/_control/accounts", status_code=201)
    async def open_account(body: AccountBody) -> Response:
        """Open an account with these funds and PIN, or change an existing one's."""
        try:
            broker.open_account(body.client_id, body.funds, body.pin)
        except ValueError as error:
            raise HTTPException(422, str(error)) from error
        return await _changed(broker, {"client_id": body.client_id, "funds": body.funds}, 201)

    @app.post("/_control/authorizations")
    async def authorize(body: AuthorizationBody) -> Response:
        """Do what the login page does, without a browser: answer with its redirect."""
        return await _changed(broker, {"redirect_to": broker.authorize(**body.model_dump())})

    @app.post("/_control/sessions/expire")
    async def expire(body: SessionsBody) -> Response:
        return await _changed(broker, {"expired": broker.expire_sessions(body.client_id)})

    @app.post("/_control/reset")
    async def reset() -> Response:
        """Forget everything but the journal; answer its cursor."""
        broker.knobs.remove()
        return await _changed(broker, {"last": broker.desk.reset()})


def _add_knobs(app: FastAPI, broker: ControlledBroker) -> None:
    @app.get("/_control/knobs")
    async def knobs() -> Response:
        """List what stands, in the order it is asked, with how often each was met and served."""
        return views.json_response({"knobs": list(map(views.knob, broker.knobs.standing()))})

    @app.put("/_control/knobs")
    async def set_knob(body: KnobBody) -> Response:
        """Replace the knob of this id, else that of the client or of everyone.

        All defaults remove it.
        """
        knob = body.knob()
        broker.knobs.put(knob)
        return views.json_response(views.knob(knob))

    @app.post("/_control/knobs", status_code=201)
    async def add_knob(body: KnobBody) -> Response:
        """Set one more, after those of the same client."""
        knob = body.knob()
        if knob.does_nothing:
            raise HTTPException(422, "it does nothing: give outcome, latency_ms or another fault")
        broker.knobs.add(knob)
        return views.json_response(views.knob(knob), 201)

    @app.delete("/_control/knobs")
    async def remove_knobs(id: str | None = None, client_id: str | None = None) -> Response:  # noqa: A002 - the query's name.
        """Remove one knob, those of one client, or without either all of them."""
        removed = broker.knobs.remove(knob_id=id, client_id=client_id)
        return views.json_response({"removed": removed})


def _add_limits(app: FastAPI, broker: ControlledBroker) -> None:
    @app.get("/_control/limits")
    async def limits() -> Response:
        return views.json_response(broker.limits())

    @app.put("/_control/limits")
    async def set_limits(body: dict[str, bool | int]) -> Response:
        try:
            broker.set_limits(body)
        except ValueError as error:
            raise HTTPException(422, str(error)) from error
        return views.json_response(broker.limits())


def _add_feed(app: FastAPI, broker: ControlledBroker) -> None:
    @app.post("/_control/feed/drop")
    async def drop(body: FeedDropBody) -> Response:
        """Close order sockets and refuse new ones for a while; sessions live on."""
        return await _changed(broker, {"closed": broker.drop_feed(body.client_id, body.for_s)})

    @app.post("/_control/feed/replay")
    async def replay(body: FeedReplayBody) -> Response:
        """Send the day's order messages again, several times or backwards."""
        sent = await broker.replay_feed(
            body.client_id, is_reversed=body.order == "reversed", times=body.times
        )
        return await _changed(broker, {"sent": sent})

    @app.post("/_control/foreign-order", status_code=201)
    async def foreign_order(body: ForeignOrderBody) -> Response:
        """Let the account's owner place an order of his own, past the API and every knob."""
        terms = OrderTerms(
            order_type=body.order_type,
            quantity=body.quantity,
            limit_price=body.limit_price,
            trigger_price=body.trigger_price,
        )
        request = OrderRequest(
            client_id=body.client_id,
            instrument=body.instrument,
            side=body.side,
            product=body.product,
            validity=body.validity,
            terms=terms,
            tag=body.tag,
            by_owner=True,
        )
        order = broker.desk.place(request)
        return await _changed(broker, views.order_view(broker.desk, order), 201)
