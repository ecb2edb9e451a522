"""The authorization matrix: every route of every service, and who may call it.

A route that is not here fails the build, and so does a line without its route.
"""

from collections.abc import Iterator
from typing import Any

import pytest

from deploy.openapi import apps
from services.web.routing import target_of

# Words: public, internal (service token), signed in (any role), or the roles that may.
OPERATORS = "admin operator viewer_operator"
EVERYONE = f"{OPERATORS} follower master"
MATRIX = """
auth DELETE /auth/accounts/{account_id}/evidence/{evidence_id} : admin operator
auth DELETE /auth/api-keys/{key_id} : signed in
auth DELETE /client/broker/{broker}/disconnect : follower
auth DELETE /trader/broker/{broker}/disconnect : master
auth GET /auth/accounts/{account_id}/evidence : OPERATORS
auth GET /auth/api-keys : signed in
auth GET /auth/me : signed in
auth GET /auth/options : public
auth GET /broker/callback : public
auth GET /broker/callback/assets/callback.css : public
auth GET /broker/callback/assets/callback.js : public
auth GET /client/broker/{broker}/auth-url : follower
auth GET /client/broker/{broker}/status : follower
auth GET /notifications : signed in
auth GET /trader/broker/{broker}/auth-url : master
auth GET /trader/broker/{broker}/status : master
auth POST /auth/api-keys : signed in
auth POST /auth/sign-in : public
auth POST /auth/sign-out : signed in
auth POST /auth/users : admin
auth POST /client/broker/{broker}/connect : follower
auth POST /client/broker/{broker}/refresh : follower
auth POST /internal/identities : internal
auth POST /internal/sessions : internal
auth POST /notifications/read-all : signed in
auth POST /notifications/{notice_id}/read : signed in
auth POST /trader/broker/{broker}/connect : master
auth POST /trader/broker/{broker}/refresh : master
auth PUT /auth/accounts/{account_id}/evidence/algo-id : admin operator
auth PUT /auth/accounts/{account_id}/evidence/algo-id/{strategy_id} : admin operator
auth PUT /auth/accounts/{account_id}/evidence/egress : admin operator
auth PUT /auth/accounts/{account_id}/evidence/regime : admin operator
auth PUT /client/broker/{broker}/credentials : follower
auth PUT /trader/broker/{broker}/credentials : master
executor DELETE /kill-switches : operator
executor GET /account-limits/{account_id} : OPERATORS follower
executor GET /attention : OPERATORS
executor GET /dead-letters : OPERATORS
executor GET /kill-switches : OPERATORS
executor GET /orders : EVERYONE
executor GET /orders/{order_id} : EVERYONE
executor GET /shards : OPERATORS
executor POST /attention/decisions/{decision_id}/confirm : admin operator
executor POST /attention/{order_id}/decisions : admin operator
executor POST /dead-letters/{letter_id}/replay : admin operator
executor POST /dead-letters/{letter_id}/set-aside : admin operator
executor POST /orders/{order_id}/retry : admin follower operator
executor POST /preview : follower
executor PUT /account-limits/{account_id} : admin operator follower
executor PUT /kill-switches : operator
signal DELETE /follows/{follow_id} : follower
signal DELETE /strategies/{strategy_id}/webhooks/{webhook_id} : master
signal GET /follows : follower
signal GET /follows/{follow_id} : follower
signal GET /reports/follows/{follow_id} : follower
signal GET /reports/follows/{follow_id}.csv : follower
signal GET /reports/follows/{follow_id}/signals : follower
signal GET /reports/follows/{follow_id}/signals/{signal_id} : follower
signal GET /reports/signals : master
signal GET /reports/signals/{signal_id} : master
signal GET /reports/signals/{signal_id}.csv : master
signal GET /signals : master
signal GET /signals/{signal_id} : master
signal GET /strategies : signed in
signal GET /strategies/{strategy_id} : signed in
signal GET /strategies/{strategy_id}/capture : master
signal GET /strategies/{strategy_id}/capture/orders : master
signal GET /strategies/{strategy_id}/webhooks : master
signal GET /strategies/{strategy_id}/webhooks/{webhook_id}/deliveries : master
signal PATCH /follows/{follow_id} : follower
signal PATCH /strategies/{strategy_id} : master
signal PATCH /strategies/{strategy_id}/webhooks/{webhook_id} : master
signal POST /follows : follower
signal POST /signals : master
signal POST /signals/reversals : master
signal POST /strategies : master
signal POST /strategies/{strategy_id}/webhooks : master
signal POST /strategies/{strategy_id}/webhooks/{webhook_id}/rotate : master
signal POST /webhooks/{strategy_id}/{secret} : public
signal PUT /strategies/{strategy_id}/capture : master
streaming GET /feeds : OPERATORS
streaming WS /ws/orders : socket
"""
_HEALTH = {"/healthz", "/readyz", "/metrics"}
_DESCRIPTIONS = {"/openapi.json", "/docs", "/docs/oauth2-redirect", "/redoc"}


def routes(holder: Any) -> Iterator[tuple[str, Any]]:
    """List the routes of an app or router, those of routers within it included."""
    for route in holder.routes:
        nested = getattr(route, "original_router", None)
        if nested is None:
            yield route.path, route
        else:
            yield from routes(nested)


def access_of(route: Any) -> str:
    guards = [d.call for d in route.dependant.dependencies if hasattr(d.call, "access")]
    if not guards:
        return "nobody said"
    [guard] = guards
    if guard.access != "roles":
        return str(guard.access)
    return " ".join(sorted(guard.allowed_roles)) or "signed in"


def found() -> dict[str, str]:
    lines = {}
    for service, app in apps().items():
        for path, route in routes(app):
            if path in _HEALTH | _DESCRIPTIONS:
                continue
            if not hasattr(route, "methods"):
                lines[f"{service} WS {path}"] = "socket"
                continue
            for method in route.methods - {"HEAD"}:
                lines[f"{service} {method} {path}"] = access_of(route)
    return lines


def matrix() -> dict[str, str]:
    words = {"OPERATORS": OPERATORS, "EVERYONE": EVERYONE}
    pairs = [line.split(" : ") for line in MATRIX.strip().splitlines()]
    return {
        route: " ".join(sorted(" ".join(words.get(w, w) for w in who.split()).split()))
        if who not in {"signed in"}
        else who
        for route, who in pairs
    }


def test_every_route_stands_in_the_matrix_and_nothing_else_does() -> None:
    assert found() == matrix()


@pytest.mark.parametrize("line", [line for line, who in matrix().items() if who == "internal"])
def test_internal_routes_are_never_routed_by_the_edge(line: str) -> None:
    assert target_of(line.split(" ")[2]) is None


@pytest.mark.parametrize("path", ["/_control/journal", "/metrics", "/internal/sessions", "/docs"])
def test_what_is_not_for_people_has_no_way_in(path: str) -> None:
    assert target_of(path) is None
