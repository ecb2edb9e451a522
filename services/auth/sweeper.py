"""What auth does by itself: ends sessions and evidence whose time is over, and clears old rows."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

import asyncpg
import structlog

from libs.runtime.postgres import UNREACHABLE

log = structlog.get_logger()

_TIDY_EVERY_S = 600.0

# What is kept for how long after it is of no use; one bounded batch a round.
_TIDY = (
    """
    delete from auth.login_states where state_hash in (
        select state_hash from auth.login_states
        where expires_at < clock_timestamp() - interval '1 day' limit 5000)
    """,
    """
    delete from auth.sign_in_failures where subject in (
        select subject from auth.sign_in_failures
        where last_failed_at < clock_timestamp() - interval '1 day' limit 5000)
    """,
    """
    delete from auth.sign_ins where token_hash in (
        select token_hash from auth.sign_ins
        where expires_at < clock_timestamp() - interval '90 days' limit 5000)
    """,
    """
    delete from auth.notifications where id in (
        select id from auth.notifications
        where stored_at < clock_timestamp() - interval '180 days' limit 5000)
    """,
)


class Sweeper:
    def __init__(
        self, pool: asyncpg.Pool, ends: Sequence[Callable[[], Awaitable[int]]], *, every_s: float
    ) -> None:
        self._pool = pool
        self._ends = ends
        self._every_s = every_s

    async def run(self) -> None:
        """Sweep for ever; a ledger that is away is waited out."""
        tidy_at = 0.0
        clock = asyncio.get_running_loop().time
        while True:
            try:
                for end in self._ends:
                    await end()
                if clock() >= tidy_at:
                    await self.tidy()
                    tidy_at = clock() + _TIDY_EVERY_S
            except (asyncpg.PostgresError, *UNREACHABLE) as error:
                log.warning("sweep_delayed", error=str(error))
            await asyncio.sleep(self._every_s)

    async def tidy(self) -> None:
        for statement in _TIDY:
            await self._pool.execute(statement)
