"""The audit table: who changed credentials, users or keys. Append only, never a secret."""

from typing import TYPE_CHECKING

import asyncpg

from services.auth.actors import Actor

if TYPE_CHECKING:
    from asyncpg.pool import PoolConnectionProxy

    Connection = asyncpg.Connection | PoolConnectionProxy


async def record(
    connection: "Connection", actor: Actor, action: str, subject: str, **details: str
) -> None:
    """Write one line in the caller's transaction."""
    await connection.execute(
        """
        insert into auth.audit (actor_id, via, address, action, subject, details)
        values ($1, $2, $3, $4, $5, $6)
        """,
        actor.user_id,
        actor.via,
        actor.address,
        action,
        subject,
        details,
    )
