"""How often a broker refused an account today for too many requests: kept, and acted on early.

A broker that blocks an account for the day does so after a few such refusals, the strictest we know
after three. We stop the account's entries after two, so that its exits are never blocked.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import date, datetime

import asyncpg

from libs.contracts.notices import notice_message
from libs.runtime.alarms import Within
from libs.trading.calendar import trading_day
from services.executor.alarms import AlarmName

CLOSED_AFTER = 2

_COUNT = """
INSERT INTO executor.budgets AS b (account_id, day, kind, used)
VALUES ($1, (clock_timestamp() AT TIME ZONE 'Asia/Kolkata')::date, 'RATE_BREACH', 1)
ON CONFLICT (account_id, day, kind) DO UPDATE SET used = b.used + 1
RETURNING day, used
"""
_LOAD = """
SELECT account_id, day, used FROM executor.budgets
WHERE account_id = ANY($1::uuid[]) AND kind = 'RATE_BREACH'
    AND day = (clock_timestamp() AT TIME ZONE 'Asia/Kolkata')::date
"""


@dataclass(slots=True)
class Breaches:
    """Breaches of the accounts this process owns, by Indian date."""

    pool: asyncpg.Pool
    _today: dict[str, tuple[date, int]] = field(default_factory=dict)

    async def load(self, account_ids: Iterable[str]) -> None:
        for row in await self.pool.fetch(_LOAD, list(account_ids)):
            self._today[row["account_id"]] = (row["day"], row["used"])

    async def count(self, account_id: str) -> None:
        """Count one more, and raise the alarm of an account that gets no entries any more today."""
        async with self.pool.acquire() as connection, connection.transaction():
            [row] = await connection.fetch(_COUNT, account_id)
            if row["used"] >= CLOSED_AFTER:
                await Within(connection, "executor", notice_message).open(
                    AlarmName.RATE_DAY_BLOCK_NEAR,
                    f"account:{account_id}",
                    figures={"refusals": str(row["used"])},
                )
        self._today[account_id] = (row["day"], row["used"])

    def figures(self, account_id: str) -> dict[str, str]:
        """Give the figures of a closed account."""
        return {"refusals": str(self._today[account_id][1])}

    def closes_entries(self, account_id: str, now: Callable[[], datetime]) -> bool:
        """Tell whether this account gets no entries any more on the Indian date of `now()`."""
        known = self._today.get(account_id)
        if known is None or known[1] < CLOSED_AFTER:
            return False
        return known[0] == trading_day(now())
