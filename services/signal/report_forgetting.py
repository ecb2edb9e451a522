"""Deletes what is older than the reports reach: seldom, a little at a time, never in a hurry."""

import asyncio
from typing import Protocol

import asyncpg
import structlog

from libs.runtime.postgres import UNREACHABLE

log = structlog.get_logger()

ROWS_MAX = 1_000
_EVERY_S = 3600.0
_BETWEEN_S = 0.2


class Forgets(Protocol):
    async def forget(self, *, rows_max: int) -> int: ...


async def forget_old(
    storage: Forgets, *, every_s: float = _EVERY_S, between_s: float = _BETWEEN_S
) -> None:
    """Look for ever. Without Postgres everything stays until the next look."""
    while True:
        try:
            if await storage.forget(rows_max=ROWS_MAX):
                await asyncio.sleep(between_s)
                continue
        except (asyncpg.PostgresError, *UNREACHABLE) as error:
            log.warning("old_reports_not_deleted", error=str(error))
        await asyncio.sleep(every_s)
