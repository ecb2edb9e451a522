"""Who is calling: sign-in cookies and API keys to principals, and which roles a route takes."""

import hashlib
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Literal
from urllib.parse import urlsplit

import httpx
import orjson
import structlog
from fastapi import params
from pydantic import SecretStr
from redis.asyncio import Redis
from starlette.requests import HTTPConnection, Request
from starlette.websockets import WebSocket

from libs.runtime.problems import Problem
from libs.runtime.redis import CACHE_AWAY

log = structlog.get_logger()

API_KEY_PREFIX = "lsk_"
SERVICE_TOKEN_HEADER = "X-Service-Token"  # noqa: S105  # A header's name.

_REMEMBERED_S = 1.0
_REMEMBERED_MAX = 10_000
_ASK_AUTH_TIMEOUT_S = 2.0
_TOKEN_CHARACTERS_MAX = 512
_SAFE_METHODS = {"GET", "HEAD", "OPTIONS"}

CLOSE_NOT_SIGNED_IN = 4401
CLOSE_NOT_ALLOWED = 4403
_CLOSE_TRY_AGAIN = 1013


class Role(StrEnum):
    FOLLOWER = "follower"
    MASTER = "master"
    VIEWER_OPERATOR = "viewer_operator"
    OPERATOR = "operator"
    ADMIN = "admin"


_ROLE_NAMES = {role.value for role in Role}


@dataclass(frozen=True, slots=True)
class Principal:
    """A person, or a program with that person's key."""

    user_id: str
    roles: frozenset[Role]
    email: str
    via: Literal["cookie", "api_key"]


class IdentityUnavailable(Exception):
    """Neither cache nor auth could say who this is."""


def cookie_name(environment_name: str) -> str:
    """Browsers keep a `__Host-` cookie only over https; a demo machine has none."""
    return "lockstep" if environment_name == "local" else "__Host-lockstep"


def token_hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


class Identities:
    """Resolves tokens: memory (one second), then Redis, then auth. Tokens travel as hashes only."""

    def __init__(
        self,
        redis: Redis,
        auth_url: str,
        service_token: SecretStr,
        http: httpx.AsyncClient,
        *,
        environment_name: str = "production",
    ) -> None:
        self.cookie_name = cookie_name(environment_name)
        self.service_token = service_token
        self._redis = redis
        self._url = f"{auth_url.rstrip('/')}/internal/identities"
        self._http = http
        self._remembered: dict[str, tuple[float, Principal | None]] = {}

    async def of_cookie(self, token: str) -> Principal | None:
        return await self._of("cookie", "signin", token)

    async def of_api_key(self, key: str) -> Principal | None:
        return await self._of("api_key", "apikey", key)

    async def _of(
        self, kind: Literal["cookie", "api_key"], space: str, token: str
    ) -> Principal | None:
        if not token or len(token) > _TOKEN_CHARACTERS_MAX:
            return None
        hashed = token_hash(token)
        place = f"{space}:{hashed}"
        known = self._remembered.get(place)
        if known and known[0] > time.monotonic():
            return known[1]
        principal = await self._cached(place, kind)
        if principal is None:
            principal = await self._asked(kind, hashed)
        self._remember(place, principal)
        return principal

    async def _cached(self, place: str, kind: Literal["cookie", "api_key"]) -> Principal | None:
        try:
            raw = await self._redis.get(place)
        except CACHE_AWAY as error:
            log.debug("identity_cache_away", error=type(error).__name__)
            return None
        if raw is None:
            return None
        try:
            return _principal(orjson.loads(raw), kind)
        except ValueError:
            log.warning("identity_cache_unreadable")
            return None

    async def _asked(self, kind: Literal["cookie", "api_key"], hashed: str) -> Principal | None:
        try:
            answer = await self._http.post(
                self._url,
                json={"kind": kind, "hash": hashed},
                headers={SERVICE_TOKEN_HEADER: self.service_token.get_secret_value()},
                timeout=_ASK_AUTH_TIMEOUT_S,
            )
            answer.raise_for_status()
            found = answer.json()["principal"]
            return None if found is None else _principal(found, kind)
        except (httpx.HTTPError, ValueError, KeyError, TypeError) as error:
            raise IdentityUnavailable(f"auth could not be asked: {type(error).__name__}") from error

    def _remember(self, place: str, principal: Principal | None) -> None:
        if len(self._remembered) >= _REMEMBERED_MAX:
            self._remembered.clear()
        self._remembered[place] = (time.monotonic() + _REMEMBERED_S, principal)


def _principal(stored: Mapping[str, Any], kind: Literal["cookie", "api_key"]) -> Principal | None:
    try:
        expires_at = stored.get("expires_at")
        if expires_at is not None and datetime.fromisoformat(expires_at) <= datetime.now(UTC):
            return None
        return Principal(
            user_id=str(stored["user_id"]),
            # A role this version does not know grants nothing.
            roles=frozenset(Role(name) for name in stored["roles"] if name in _ROLE_NAMES),
            email=str(stored["email"]),
            via=kind,
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError("not a stored principal") from error


class _Requires:
    """The dependency of one route; the authorization matrix reads `access` and `allowed_roles`."""

    access: Literal["roles"] = "roles"

    def __init__(self, roles: frozenset[Role]) -> None:
        self.allowed_roles = roles

    async def __call__(self, request: Request) -> Principal:
        identities: Identities = request.app.state.identities
        principal = await _caller(request, identities)
        if principal is None:
            raise Problem(401, "SIGN_IN_REQUIRED", "Sign in first.")
        unsafe = principal.via == "cookie" and request.method not in _SAFE_METHODS
        if unsafe and not _same_origin(request):
            raise Problem(403, "CROSS_SITE", "This page may not do that: open Lockstep itself.")
        if self.allowed_roles and not self.allowed_roles & principal.roles:
            raise Problem(403, "NOT_ALLOWED", "Your roles do not allow this.")
        return principal


class _Public:
    access: Literal["public"] = "public"
    allowed_roles: frozenset[Role] = frozenset()

    async def __call__(self) -> None:
        return None


class _Internal:
    access: Literal["internal"] = "internal"
    allowed_roles: frozenset[Role] = frozenset()

    async def __call__(self, request: Request) -> None:
        identities: Identities = request.app.state.identities
        given = request.headers.get(SERVICE_TOKEN_HEADER, "").encode()
        expected = identities.service_token.get_secret_value().encode()
        if not expected or not secrets.compare_digest(given, expected):
            raise Problem(401, "SERVICE_TOKEN_REQUIRED", "Services only.")


def requires(*roles: Role) -> params.Depends:
    """Depend on a `Principal` with any of `roles`; without roles anyone who is signed in."""
    return params.Depends(_Requires(frozenset(roles)))


def public() -> params.Depends:
    """Mark a route as open to anyone."""
    return params.Depends(_Public())


def internal() -> params.Depends:
    """Mark a route as open to services with the service token only."""
    return params.Depends(_Internal())


async def websocket_principal(websocket: WebSocket, *roles: Role) -> Principal | None:
    """Return who opened a websocket, or None after it was closed: refused, 4401, 4403, 1013."""
    if not _same_origin(websocket):
        await websocket.close()  # Before accept: the handshake is answered 403.
        return None
    identities: Identities = websocket.app.state.identities
    token = websocket.cookies.get(identities.cookie_name, "")
    try:
        principal = await identities.of_cookie(token)
    except IdentityUnavailable:
        await _close(websocket, _CLOSE_TRY_AGAIN, "try again in a moment")
        return None
    if principal is None:
        await _close(websocket, CLOSE_NOT_SIGNED_IN, "sign in first")
        return None
    if roles and not principal.roles.intersection(roles):
        await _close(websocket, CLOSE_NOT_ALLOWED, "not allowed")
        return None
    return principal


async def _close(websocket: WebSocket, code: int, reason: str) -> None:
    # A browser sees the code only of a socket that was open.
    await websocket.accept()
    await websocket.close(code, reason)


async def _caller(request: Request, identities: Identities) -> Principal | None:
    try:
        authorization = request.headers.get("Authorization")
        if authorization is not None:
            scheme, _, key = authorization.partition(" ")
            if scheme.lower() != "bearer" or not key.startswith(API_KEY_PREFIX):
                return None
            return await identities.of_api_key(key)
        return await identities.of_cookie(request.cookies.get(identities.cookie_name, ""))
    except IdentityUnavailable as error:
        message = "Your sign-in cannot be checked just now. Try again in a moment."
        raise Problem(503, "UNAVAILABLE", message) from error


def _same_origin(connection: HTTPConnection) -> bool:
    site = connection.headers.get("Sec-Fetch-Site")
    if site is not None and site not in {"same-origin", "none"}:
        return False
    origin = connection.headers.get("Origin")
    if origin is None:
        return site is not None
    return urlsplit(origin).netloc == connection.headers.get("Host", "")
