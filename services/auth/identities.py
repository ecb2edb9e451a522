"""Who calls auth itself: read from its own tables each time, so a revocation counts at once."""

from dataclasses import dataclass
from typing import Protocol

from pydantic import SecretStr

from libs.runtime.identity import Principal, token_hash
from services.auth.repository_identities import Kind

_TOKEN_CHARACTERS_MAX = 512


class Finds(Protocol):
    async def find(self, kind: Kind, token_hash: str) -> Principal | None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnIdentities:
    """Answers as `libs.runtime.identity.Identities` does, without asking over HTTP."""

    cookie_name: str
    service_token: SecretStr
    people: Finds

    async def of_cookie(self, token: str) -> Principal | None:
        return await self._of("cookie", token)

    async def of_api_key(self, key: str) -> Principal | None:
        return await self._of("api_key", key)

    async def _of(self, kind: Kind, token: str) -> Principal | None:
        if not token or len(token) > _TOKEN_CHARACTERS_MAX:
            return None
        return await self.people.find(kind, token_hash(token))
