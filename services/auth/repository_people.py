"""SQL of users, sign-ins, API keys and failed sign-ins."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import asyncpg
from uuid_utils import uuid7

from services.auth.actors import Actor
from services.auth.copies import Copies
from services.auth.repository_audit import record
from services.auth.throttle import MEMORY, Failures

IDLE = timedelta(minutes=30)
ABSOLUTE = timedelta(hours=12)

SIGN_INS_PER_USER_MAX = 50
KEYS_PER_USER_MAX = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    user_id: str
    email: str
    display_name: str
    roles: tuple[str, ...]
    password_hash: str
    disabled: bool


class PeopleRepository:
    def __init__(self, pool: asyncpg.Pool, copies: Copies) -> None:
        self._pool = pool
        self._copies = copies

    async def user_by_email(self, email: str) -> User | None:
        row = await self._pool.fetchrow("select * from auth.users where email = $1", email)
        return _user(row) if row else None

    async def user(self, user_id: str) -> User | None:
        row = await self._pool.fetchrow("select * from auth.users where user_id = $1", user_id)
        return _user(row) if row else None

    async def users_of_domain(self, domain: str, *, limit: int) -> list[User]:
        """List who may sign in with an address of this domain, oldest first."""
        rows = await self._pool.fetch(
            """
            select * from auth.users
            where split_part(email, '@', 2) = $1 and disabled_at is null order by user_id limit $2
            """,
            domain,
            limit,
        )
        return [_user(row) for row in rows]

    async def create_user(
        self,
        *,
        email: str,
        display_name: str,
        password_hash: str,
        roles: Sequence[str],
        actor: Actor,
    ) -> str | None:
        """Add a person; None when the address is taken."""
        async with self._pool.acquire() as connection, connection.transaction():
            user_id: str | None = await connection.fetchval(
                """
                insert into auth.users (user_id, email, display_name, password_hash, roles)
                values ($1, $2, $3, $4, $5) on conflict (email) do nothing returning user_id
                """,
                str(uuid7()),
                email,
                display_name,
                password_hash,
                list(roles),
            )
            if user_id is not None:
                roles_text = ",".join(roles)
                await record(connection, actor, "user_created", f"user:{user_id}", roles=roles_text)
        return user_id

    async def replace_hash(self, user_id: str, old: str, new: str) -> None:
        """Store a hash with today's parameters, unless the password changed meanwhile."""
        await self._pool.execute(
            "update auth.users set password_hash = $3 where user_id = $1 and password_hash = $2",
            user_id,
            old,
            new,
        )

    async def failures(self, subjects: Sequence[str]) -> tuple[list[Failures], datetime]:
        """Read what is counted, and the database's clock to judge it by."""
        now: datetime = await self._pool.fetchval("select clock_timestamp()")
        rows = await self._pool.fetch(
            "select * from auth.sign_in_failures where subject = any($1::text[])", subjects
        )
        return [Failures(**dict(row)) for row in rows], now

    async def count_failure(self, subject: str) -> None:
        await self._pool.execute(
            """
            insert into auth.sign_in_failures as f (subject, failures, last_failed_at)
            values ($1, 1, clock_timestamp())
            on conflict (subject) do update set
                failures = case
                    when f.last_failed_at < clock_timestamp() - $2::interval then 1
                    else least(f.failures + 1, 1000)
                end,
                last_failed_at = clock_timestamp()
            """,
            subject,
            MEMORY,
        )

    async def forget_failures(self, subject: str) -> None:
        await self._pool.execute("delete from auth.sign_in_failures where subject = $1", subject)

    async def knows_address(self, email: str, address: str) -> bool:
        """Say whether this person signed in from there lately."""
        known: bool = await self._pool.fetchval(
            """
            select exists (
                select from auth.sign_ins s join auth.users u using (user_id)
                where u.email = $1 and s.address = $2
                    and s.created_at > clock_timestamp() - interval '30 days'
            )
            """,
            email,
            address,
        )
        return known

    async def open_sign_in(
        self, user_id: str, token_hash: str, *, replaces: str | None, user_agent: str, actor: Actor
    ) -> None:
        """Store a new sign-in and end the one whose cookie came with it."""
        async with self._pool.acquire() as connection, connection.transaction():
            ended = await connection.fetch(
                """
                update auth.sign_ins set revoked_at = clock_timestamp()
                where revoked_at is null and (token_hash = $2 or token_hash in (
                    select token_hash from auth.sign_ins
                    where user_id = $1 and revoked_at is null
                    order by created_at desc offset $3
                ))
                returning token_hash
                """,
                user_id,
                replaces,
                SIGN_INS_PER_USER_MAX - 1,
            )
            await connection.execute(
                """
                insert into auth.sign_ins (token_hash, user_id, address, user_agent, expires_at)
                values ($1, $2, $3, $4, clock_timestamp() + $5::interval)
                """,
                token_hash,
                user_id,
                actor.address,
                user_agent,
                ABSOLUTE,
            )
            await record(connection, actor, "signed_in", f"user:{user_id}")
            await self._copies.drop_identities([f"signin:{row['token_hash']}" for row in ended])

    async def close_sign_in(self, token_hash: str, actor: Actor) -> None:
        async with self._pool.acquire() as connection, connection.transaction():
            user_id = await connection.fetchval(
                """
                update auth.sign_ins set revoked_at = clock_timestamp()
                where token_hash = $1 and revoked_at is null returning user_id
                """,
                token_hash,
            )
            if user_id is not None:
                await record(connection, actor, "signed_out", f"user:{user_id}")
            await self._copies.drop_identities([f"signin:{token_hash}"])

    async def add_key(self, user_id: str, key_hash: str, label: str, actor: Actor) -> str | None:
        """Store a new API key; None when this person has too many."""
        async with self._pool.acquire() as connection, connection.transaction():
            key_id: str | None = await connection.fetchval(
                """
                insert into auth.api_keys (key_id, user_id, key_hash, label)
                select $1, $2, $3, $4 where (
                    select count(*) from auth.api_keys where user_id = $2 and revoked_at is null
                ) < $5
                returning key_id
                """,
                str(uuid7()),
                user_id,
                key_hash,
                label,
                KEYS_PER_USER_MAX,
            )
            if key_id is not None:
                await record(connection, actor, "api_key_created", f"api_key:{key_id}", label=label)
        return key_id

    async def keys(self, user_id: str) -> list[dict[str, Any]]:
        rows = await self._pool.fetch(
            """
            select key_id, label, created_at, last_used_at from auth.api_keys
            where user_id = $1 and revoked_at is null order by created_at
            """,
            user_id,
        )
        return [dict(row) for row in rows]

    async def revoke_key(self, user_id: str, key_id: str, actor: Actor) -> bool:
        """End an own key; False when there is no such key of this person."""
        async with self._pool.acquire() as connection, connection.transaction():
            key_hash = await connection.fetchval(
                """
                update auth.api_keys set revoked_at = clock_timestamp()
                where key_id = $1 and user_id = $2 and revoked_at is null returning key_hash
                """,
                key_id,
                user_id,
            )
            if key_hash is None:
                return False
            await record(connection, actor, "api_key_revoked", f"api_key:{key_id}")
            await self._copies.drop_identities([f"apikey:{key_hash}"])
        return True


def _user(row: asyncpg.Record) -> User:
    return User(
        user_id=row["user_id"],
        email=row["email"],
        display_name=row["display_name"],
        roles=tuple(row["roles"]),
        password_hash=row["password_hash"],
        disabled=row["disabled_at"] is not None,
    )
