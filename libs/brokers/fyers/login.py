"""The browser login of FYERS: where to send the user, and the code for tokens (API v3 reference).

There is no refresh: FYERS retired it on 1 April 2026, each trading day needs a login of its own.
"""

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime, time
from urllib.parse import urlencode

import jwt
import orjson

from libs.brokers.errors import LoginRefused, OutcomeUnknown, SessionExpired
from libs.brokers.fyers import wire
from libs.brokers.fyers.manifest import MANIFEST
from libs.brokers.http import SlowREST
from libs.brokers.protocol import BrokerAddresses, BrokerSession, LoginGrant, PlatformApp
from libs.trading.calendar import next_time_in_india
from libs.trading.orders import Profile


class FyersLogin:
    """The login door of FYERS."""

    def __init__(self, addresses: BrokerAddresses) -> None:
        self._addresses = addresses
        self._api = addresses.urls["api"]
        self._rest = SlowREST()

    def authorization_url(self, app: PlatformApp, state: str) -> str:
        query = {
            "client_id": app.app_id,
            "redirect_uri": app.redirect_uri,
            "response_type": "code",
            "state": state,
        }
        return f"{self._api}/generate-authcode?{urlencode(query)}"

    async def exchange(self, app: PlatformApp, reply: Mapping[str, str]) -> LoginGrant:
        """Turn `auth_code` into a session. `code` in the callback is a status, not the grant."""
        auth_code = reply.get("auth_code")
        if not auth_code:
            raise LoginRefused(reply.get("message") or "no auth_code", code=reply.get("code"))
        tokens = await self._tokens(app, auth_code)
        access_token = tokens["access_token"]
        profile = await self._profile(app, access_token)
        return LoginGrant(
            profile=profile,
            expires_at=_expiry(access_token, datetime.now(UTC)),
            credentials={"app_id": app.app_id, **tokens},
        )

    async def logout(self, session: BrokerSession) -> None:
        self._addresses.admit(session)
        try:
            reply = await self._rest.send(
                "POST",
                f"{self._api}/logout",
                headers={**wire.COMMON_HEADERS, **wire.authorization_of(session)},
                body=b"null",
            )
            wire.read_payload(reply)
        except SessionExpired:
            return  # It was dead already.

    async def aclose(self) -> None:
        await self._rest.aclose()

    async def _tokens(self, app: PlatformApp, auth_code: str) -> dict[str, str]:
        request = {
            "grant_type": "authorization_code",
            "appIdHash": hashlib.sha256(f"{app.app_id}:{app.secret}".encode()).hexdigest(),
            "code": auth_code,
        }
        reply = await self._rest.send(
            "POST",
            f"{self._api}/validate-authcode",
            headers={"Content-Type": "application/json"},
            body=orjson.dumps(request),
        )
        answer = wire.read_login(reply)
        names = ("access_token", "refresh_token")
        tokens = {
            name: text for name in names if isinstance(text := answer.get(name), str) and text
        }
        if "access_token" not in tokens:
            raise OutcomeUnknown("the token exchange brought no access token")
        return tokens

    async def _profile(self, app: PlatformApp, access_token: str) -> Profile:
        """Ask whose token it is: one that looks valid here can be dead at the server."""
        reply = await self._rest.send(
            "GET",
            f"{self._api}/profile",
            headers={**wire.COMMON_HEADERS, **wire.authorization(app.app_id, access_token)},
        )
        try:
            return wire.read_profile(wire.read_payload(reply))
        except SessionExpired as error:
            raise LoginRefused(str(error)) from error


def _expiry(access_token: str, now: datetime) -> datetime:
    """Read `exp` of the token; an unreadable one ends with the next Indian morning."""
    try:
        claims = jwt.decode(access_token, options={"verify_signature": False})
        return datetime.fromtimestamp(int(claims["exp"]), UTC)
    except (jwt.PyJWTError, KeyError, TypeError, ValueError, OverflowError, OSError):
        return next_time_in_india(now, time.fromisoformat(MANIFEST.session_ends_at_ist))
