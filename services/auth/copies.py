"""The hot copies in Redis: sealed sessions and identities. A cache: all works without it."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import orjson
import structlog
from redis.asyncio import Redis

from libs.runtime.redis import CACHE_AWAY
from services.auth.credentials import StoredSession

log = structlog.get_logger()

# A revoked sign-in is removed at once; this bounds what a lost removal could cost.
IDENTITY_LIFE_S = 60


def instant(at: datetime) -> str:
    """Write an instant as every JSON of this product does: UTC with Z."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def sealed_session_json(stored: StoredSession) -> dict[str, Any]:
    """Build what `/internal/sessions` answers and Redis holds: sealed, login secrets left out."""
    return {
        "account_id": stored.account_id,
        "broker": stored.broker,
        "client_id": stored.client_id,
        "environment": stored.environment.value,
        "expires_at": instant(stored.expires_at),
        "egress": stored.egress,
        "wrapped_key": stored.sealed.session_key,
        "version": stored.version,
        "fields": stored.session_fields(),
    }


class Copies:
    """Writes happen inside the transaction that changes the truth, so its row locks order them."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    async def put_sessions(self, sessions: Iterable[StoredSession]) -> None:
        pipe = self._redis.pipeline(transaction=False)
        for stored in sessions:
            pipe.set(
                f"session:{stored.account_id}",
                orjson.dumps(sealed_session_json(stored)),
                exat=int(stored.expires_at.timestamp()),
            )
        try:
            await pipe.execute()
        except CACHE_AWAY as error:
            log.warning("session_copies_not_written", error=str(error))

    async def drop_sessions(self, account_ids: Sequence[str]) -> None:
        await self._drop([f"session:{account_id}" for account_id in account_ids])

    async def put_identity(self, key: str, principal: Mapping[str, Any]) -> None:
        try:
            await self._redis.set(key, orjson.dumps(dict(principal)), ex=IDENTITY_LIFE_S)
        except CACHE_AWAY as error:
            log.warning("identity_copy_not_written", error=str(error))

    async def drop_identities(self, keys: Sequence[str]) -> None:
        await self._drop(keys)

    async def _drop(self, keys: Sequence[str]) -> None:
        if not keys:
            return
        try:
            await self._redis.delete(*keys)
        except CACHE_AWAY as error:
            log.warning("copies_not_removed", keys=len(keys), error=str(error))
