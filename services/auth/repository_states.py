"""SQL of login states: written when a broker login begins, claimed once when it comes back."""

import asyncpg

from libs.trading.accounts import AccountKind
from services.auth.login_states import LIFE, IssuedState, Link, refusal, state_hash

# One person clicking again and again needs few; the rest are old tabs.
OPEN_STATES_MAX = 20


class StateRepository:
    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    async def issue(self, link: Link, state: str) -> None:
        """Write a new state down; the oldest open ones of this user make room for it."""
        async with self._pool.acquire() as connection, connection.transaction():
            await connection.execute(
                """
                delete from auth.login_states where state_hash in (
                    select state_hash from auth.login_states
                    where user_id = $1 and used_at is null
                    order by created_at desc offset $2
                )
                """,
                link.user_id,
                OPEN_STATES_MAX - 1,
            )
            await connection.execute(
                """
                insert into auth.login_states (state_hash, user_id, broker, kind, expires_at)
                values ($1, $2, $3, $4, clock_timestamp() + $5::interval)
                """,
                state_hash(state),
                link.user_id,
                link.broker,
                link.kind.value,
                LIFE,
            )

    async def claim(self, link: Link, state: str) -> None:
        """Use a state up, once. Raise `Problem` (400) when it is not this link's to use."""
        claimed = await self._pool.fetchval(
            """
            update auth.login_states set used_at = clock_timestamp()
            where state_hash = $1 and user_id = $2 and broker = $3 and kind = $4
                and used_at is null and expires_at > clock_timestamp()
            returning true
            """,
            state_hash(state),
            link.user_id,
            link.broker,
            link.kind.value,
        )
        if claimed:
            return
        row = await self._pool.fetchrow(
            """
            select user_id, broker, kind, used_at, expires_at <= clock_timestamp() as expired
            from auth.login_states where state_hash = $1
            """,
            state_hash(state),
        )
        raise refusal(_issued(row), link)


def _issued(row: asyncpg.Record | None) -> IssuedState | None:
    if row is None:
        return None
    return IssuedState(
        link=Link(user_id=row["user_id"], broker=row["broker"], kind=AccountKind(row["kind"])),
        used=row["used_at"] is not None,
        expired=row["expired"],
    )
