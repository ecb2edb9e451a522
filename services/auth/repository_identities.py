"""SQL that turns the hash of a cookie or an API key into a person, and keeps the hot copies."""

from typing import Literal

import asyncpg

from libs.runtime.identity import Principal, Role
from services.auth.copies import Copies, instant
from services.auth.repository_people import IDLE

Kind = Literal["cookie", "api_key"]

# Both statements take the row lock that a revocation needs: it waits for the copy, then removes it.
_SEEN = {
    "cookie": """
        update auth.sign_ins set last_seen_at = clock_timestamp()
        where token_hash = $1 and revoked_at is null and expires_at > clock_timestamp()
            and last_seen_at > clock_timestamp() - $2::interval
        returning user_id, least(expires_at, clock_timestamp() + $2::interval) as expires_at
    """,
    "api_key": """
        update auth.api_keys set last_used_at = clock_timestamp()
        where key_hash = $1 and revoked_at is null
        returning user_id, clock_timestamp() + $2::interval as expires_at
    """,
}
_SPACE = {"cookie": "signin", "api_key": "apikey"}


class IdentityRepository:
    def __init__(self, pool: asyncpg.Pool, copies: Copies) -> None:
        self._pool = pool
        self._copies = copies

    async def find(self, kind: Kind, token_hash: str) -> Principal | None:
        """Find whose token this is, and note that they were here."""
        async with self._pool.acquire() as connection, connection.transaction():
            seen = await connection.fetchrow(_SEEN[kind], token_hash, IDLE)
            if seen is None:
                return None
            user = await connection.fetchrow(
                """
                select email, roles from auth.users
                where user_id = $1 and disabled_at is null for share
                """,
                seen["user_id"],
            )
            if user is None:
                return None
            stored = {
                "user_id": seen["user_id"],
                "roles": user["roles"],
                "email": user["email"],
                "expires_at": instant(seen["expires_at"]),
            }
            await self._copies.put_identity(f"{_SPACE[kind]}:{token_hash}", stored)
        return Principal(
            user_id=seen["user_id"],
            roles=frozenset(Role(name) for name in user["roles"]),
            email=user["email"],
            via=kind,
        )
