"""SQL of account limits: what whole accounts may copy at most, set by their owners or operators."""

from dataclasses import dataclass
from datetime import datetime

import asyncpg

from libs.contracts.limits_json import limits_json, limits_of
from libs.contracts.views import account_of
from libs.trading.accounts import Account
from libs.trading.limits import NO_LIMITS, Limits

_COLUMNS = "account_id, broker, limits, version, changed_by, changed_at"


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountLimits:
    """Version 0 is an account of which nobody limited anything yet."""

    account_id: str
    broker: str
    limits: Limits = NO_LIMITS
    version: int = 0
    changed_by: str | None = None
    changed_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class AccountLimitRows:
    pool: asyncpg.Pool

    async def of_broker(
        self, broker: str, *, changed_after: datetime | None = None
    ) -> list[AccountLimits]:
        """List what is set at one broker: all of it, or what changed since."""
        rows = await self.pool.fetch(
            f"""SELECT {_COLUMNS} FROM executor.account_limits
            WHERE broker = $1 AND ($2::timestamptz IS NULL OR changed_at >= $2)""",
            broker,
            changed_after,
        )
        return [_stored(row) for row in rows]

    async def account(self, account_id: str) -> Account | None:
        """Read an account of any broker."""
        row = await self.pool.fetchrow(
            "SELECT * FROM auth.accounts_now WHERE account_id = $1", account_id
        )
        return account_of(row) if row else None

    async def of(self, account: Account) -> AccountLimits:
        row = await self.pool.fetchrow(
            f"SELECT {_COLUMNS} FROM executor.account_limits WHERE account_id = $1",
            account.account_id,
        )
        if row is None:
            return AccountLimits(account_id=account.account_id, broker=account.broker)
        return _stored(row)

    async def put(
        self, account: Account, limits: Limits, *, version: int, by: str
    ) -> AccountLimits | None:
        """Put limits in place of those of this version; None when that is not the present one."""
        written = limits_json(limits)
        if version == 0:
            row = await self.pool.fetchrow(
                f"""INSERT INTO executor.account_limits (account_id, broker, limits, changed_by)
                VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING RETURNING {_COLUMNS}""",
                account.account_id,
                account.broker,
                written,
                by,
            )
        else:
            row = await self.pool.fetchrow(
                f"""UPDATE executor.account_limits SET limits = $2, changed_by = $3,
                    version = version + 1, changed_at = clock_timestamp()
                WHERE account_id = $1 AND version = $4 RETURNING {_COLUMNS}""",
                account.account_id,
                written,
                by,
                version,
            )
        return _stored(row) if row else None


def _stored(row: asyncpg.Record) -> AccountLimits:
    return AccountLimits(**{**row, "limits": limits_of(row["limits"])})
