"""How executor and streaming get broker sessions: the sealed copies in Redis, else auth."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import httpx
import orjson
import structlog
from pydantic import SecretStr
from redis.asyncio import Redis

from libs.runtime.identity import SERVICE_TOKEN_HEADER
from libs.runtime.redis import CACHE_AWAY
from libs.runtime.vault import KeyRing, Place, Unreadable

log = structlog.get_logger()

_ASK_AUTH_TIMEOUT_S = 5.0
_ACCOUNTS_PER_REQUEST = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenedSession:
    """One account's session in the clear. It never leaves the memory of this process."""

    account_id: str
    broker: str
    client_id: str
    environment: str
    expires_at: datetime | None
    egress: str | None
    version: int
    secrets: dict[str, str] = field(repr=False)


class SessionSource:
    """Looks sessions up in bulk; what it returns, the caller remembers."""

    def __init__(
        self,
        redis: Redis,
        auth_url: str,
        service_token: SecretStr,
        keyring: KeyRing,
        http: httpx.AsyncClient,
    ) -> None:
        self._redis = redis
        self._url = f"{auth_url.rstrip('/')}/internal/sessions"
        self._service_token = service_token
        self._keyring = keyring
        self._http = http

    async def sessions(self, account_ids: Sequence[str], broker: str) -> dict[str, OpenedSession]:
        """Return the sessions there are, by account. Accounts without one are missing, not errors.

        Redis or auth being away means fewer sessions, never an exception.
        """
        wanted = list(dict.fromkeys(account_ids))
        found = self._opened(await self._cached(wanted), broker)
        missing = [account_id for account_id in wanted if account_id not in found]
        for start in range(0, len(missing), _ACCOUNTS_PER_REQUEST):
            part = missing[start : start + _ACCOUNTS_PER_REQUEST]
            found |= self._opened(await self._asked(part), broker)
        return {account_id: found[account_id] for account_id in wanted if account_id in found}

    async def _cached(self, account_ids: Sequence[str]) -> list[Any]:
        if not account_ids:
            return []
        try:
            stored = await self._redis.mget([f"session:{account_id}" for account_id in account_ids])
        except CACHE_AWAY as error:
            log.warning("session_cache_away", error=type(error).__name__)
            return []
        sealed: list[Any] = []
        for raw in stored:
            try:
                sealed += [orjson.loads(raw)] if raw is not None else []
            except ValueError:
                log.warning("session_cache_unreadable")
        return sealed

    async def _asked(self, account_ids: Sequence[str]) -> list[Any]:
        try:
            answer = await self._http.post(
                self._url,
                json={"account_ids": list(account_ids)},
                headers={SERVICE_TOKEN_HEADER: self._service_token.get_secret_value()},
                timeout=_ASK_AUTH_TIMEOUT_S,
            )
            answer.raise_for_status()
            return list(answer.json()["sessions"])
        except (httpx.HTTPError, ValueError, KeyError, TypeError) as error:
            log.warning("sessions_not_answered", error=type(error).__name__)
            return []

    def _opened(self, sealed: Iterable[Any], broker: str) -> dict[str, OpenedSession]:
        opened: dict[str, OpenedSession] = {}
        for item in sealed:
            try:
                session = _open(item, self._keyring)
            except (Unreadable, KeyError, ValueError, TypeError, AttributeError) as error:
                log.warning("session_unreadable", error=type(error).__name__)
                continue
            expired = session.expires_at is not None and session.expires_at <= datetime.now(UTC)
            if session.broker == broker and not expired:
                opened[session.account_id] = session
        return opened


def _open(sealed: Mapping[str, Any], keyring: KeyRing) -> OpenedSession:
    account_id, broker = str(sealed["account_id"]), str(sealed["broker"])
    key = keyring.unwrap(sealed["wrapped_key"])
    expires_at = sealed.get("expires_at")
    return OpenedSession(
        account_id=account_id,
        broker=broker,
        client_id=str(sealed["client_id"]),
        environment=str(sealed["environment"]),
        expires_at=datetime.fromisoformat(expires_at) if expires_at else None,
        egress=sealed.get("egress"),
        version=int(sealed["version"]),
        secrets={
            name: key.open(value, session_place(account_id, broker, name))
            for name, value in sealed["fields"].items()
        },
    )


def session_place(account_id: str, broker: str, name: str) -> Place:
    """Where auth seals one field of a session."""
    return Place("broker_credentials", name, account_id, broker, name)
