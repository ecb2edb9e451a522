"""SQL of the kill switches: who stopped what and why. The claiming statement reads them."""

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING

import asyncpg

from libs.contracts.notices import notice_message
from libs.runtime.alarms import Within
from libs.trading.calendar import end_of_trading_day
from services.executor.alarms import AlarmName

if TYPE_CHECKING:
    from asyncpg.pool import PoolConnectionProxy

SCHEMA = "executor"
# Stands where no person switched.
NOBODY = "00000000-0000-0000-0000-000000000000"


class Scope(StrEnum):
    """What a switch stops entries of. PLATFORM has no subject."""

    PLATFORM = "PLATFORM"
    BROKER = "BROKER"
    STRATEGY = "STRATEGY"
    MASTER = "MASTER"
    ACCOUNT = "ACCOUNT"
    ALGO_ID = "ALGO_ID"


# Named after the signal of the order itself, which no change of its master's is.
_CANCEL_OPEN = """
WITH asked AS (
    INSERT INTO executor.commands (order_id, n, kind, broker, shard, signal_id, expires_at)
    SELECT o.order_id,
        coalesce((SELECT max(n) FROM executor.commands c WHERE c.order_id = o.order_id), 0) + 1,
        'CANCEL', o.broker, o.shard, o.signal_id, $3
    FROM executor.orders o
    WHERE o.action = 'PLACE' AND o.state IN ('SENDING', 'UNKNOWN', 'ACKED', 'OPEN', 'PARTIAL')
        AND CASE $1 WHEN 'PLATFORM' THEN true WHEN 'BROKER' THEN o.broker = $2
            WHEN 'STRATEGY' THEN o.strategy_id::text = $2
            WHEN 'MASTER' THEN o.master_id::text = $2
            WHEN 'ACCOUNT' THEN o.account_id::text = $2 ELSE o.algo_id = $2 END
    FOR UPDATE OF o
    ON CONFLICT (order_id, signal_id) DO NOTHING
    RETURNING order_id
)
SELECT count(*) FROM asked
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class KillSwitch:
    scope: Scope
    subject: str
    reason: str
    changed_by: str
    changed_at: datetime


@dataclass(frozen=True, slots=True)
class KillSwitches:
    """The switches as seen by one connection, within the caller's transaction if there is one."""

    connection: "asyncpg.Connection | PoolConnectionProxy"

    async def on(self) -> list[KillSwitch]:
        """List what is stopped now, the latest first."""
        rows = await self.connection.fetch(
            """SELECT scope, subject, reason, changed_by, changed_at FROM executor.kill_switches
            WHERE is_on ORDER BY changed_at DESC"""
        )
        return [KillSwitch(**{**row, "scope": Scope(row["scope"])}) for row in rows]

    async def turn_on(self, scope: Scope, subject: str, *, reason: str, by: str) -> bool:
        """Stop entries. False when they were stopped already: the first reason stands."""
        return await self._turned(
            """INSERT INTO executor.kill_switches AS k (scope, subject, reason, changed_by)
            VALUES ($1, $2, $3, $4)
            ON CONFLICT (scope, subject) DO UPDATE SET is_on = true, reason = EXCLUDED.reason,
                changed_by = EXCLUDED.changed_by, changed_at = clock_timestamp()
            WHERE NOT k.is_on
            RETURNING true""",
            scope,
            subject,
            reason,
            by,
        )

    async def cancel_open(self, scope: Scope, subject: str) -> int:
        """Ask for the end of every entry at work that a switch is about; tell how many.

        Asked again, those are not asked twice. Exits stay: they lead out.
        """
        asked: int = await self.connection.fetchval(
            _CANCEL_OPEN, scope.value, subject, end_of_trading_day(datetime.now(UTC))
        )
        return asked

    async def turn_off(self, scope: Scope, subject: str, *, reason: str, by: str) -> bool:
        """Let entries go again. False when nothing was stopped."""
        turned = await self._turned(
            """UPDATE executor.kill_switches SET is_on = false, reason = $3, changed_by = $4,
                changed_at = clock_timestamp()
            WHERE scope = $1 AND subject = $2 AND is_on
            RETURNING true""",
            scope,
            subject,
            reason,
            by,
        )
        if turned and scope is Scope.MASTER:
            within = Within(self.connection, SCHEMA, notice_message)
            await within.clear(AlarmName.MASTER_PAUSED_BY_DEAD_LETTER, f"master:{subject}")
        return turned

    async def _turned(self, statement: str, scope: Scope, *values: str) -> bool:
        return bool(await self.connection.fetchval(statement, scope.value, *values))
