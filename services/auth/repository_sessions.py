"""SQL that reads broker accounts and their sealed sessions."""

from collections.abc import Sequence
from dataclasses import fields
from typing import TYPE_CHECKING, Any

import asyncpg

from libs.trading.accounts import Account, AccountKind, Environment, Regime, SessionState
from services.auth.accounts import Standing
from services.auth.copies import Copies
from services.auth.credentials import COLUMNS, Sealed, StoredSession
from services.auth.login_states import Link

if TYPE_CHECKING:
    from asyncpg.pool import PoolConnectionProxy

    Connection = asyncpg.Connection | PoolConnectionProxy

SESSIONS_AT_ONCE_MAX = 1_000

_KINDS: dict[str, type] = {
    "kind": AccountKind,
    "session_state": SessionState,
    "environment": Environment,
    "regime": Regime,
}
_ACCOUNT_FIELDS = tuple(item.name for item in fields(Account))


class SessionRepository:
    def __init__(self, pool: asyncpg.Pool, copies: Copies) -> None:
        self._pool = pool
        self._copies = copies

    async def standing(self, link: Link) -> Standing | None:
        """Read the linked account, else the one linked last; None if there never was one."""
        row = await self._pool.fetchrow(
            """
            select n.*, a.last_sync_at
            from auth.broker_accounts a join auth.accounts_now n using (account_id)
            where a.user_id = $1 and a.broker = $2 and a.kind = $3
            order by a.session_state <> 'DISCONNECTED' desc, a.changed_at desc limit 1
            """,
            link.user_id,
            link.broker,
            link.kind.value,
        )
        if row is None:
            return None
        return Standing(account=_account(row), last_sync_at=row["last_sync_at"])

    async def own_app(self, link: Link) -> tuple[str, Sealed] | None:
        """Read the account's own broker app, sealed, with the account it is sealed for."""
        row = await self._pool.fetchrow(
            """
            select c.account_id, c.app_id, c.api_secret, c.login_key
            from auth.broker_credentials c join auth.broker_accounts a using (account_id)
            where a.user_id = $1 and a.broker = $2 and a.kind = $3
                and c.app_id is not null and c.api_secret is not null
            limit 1
            """,
            link.user_id,
            link.broker,
            link.kind.value,
        )
        if row is None:
            return None
        sealed = Sealed(
            login_key=row["login_key"],
            session_key=None,
            app_id=row["app_id"],
            fields={"api_secret": row["api_secret"]},
        )
        return row["account_id"], sealed

    async def session(self, account_id: str) -> StoredSession | None:
        found = await fetch(self._pool, [account_id])
        return found[0] if found else None

    async def sessions(self, account_ids: Sequence[str]) -> list[StoredSession]:
        """Read living sessions in bulk and write their hot copies anew."""
        async with self._pool.acquire() as connection, connection.transaction():
            # The lock keeps a disconnect from removing a copy that is written just after.
            found = await fetch(connection, account_ids, lock=True)
            await self._copies.put_sessions(found)
        return found


async def accounts(connection: "Connection", account_ids: Sequence[str]) -> list[Account]:
    rows = await connection.fetch(
        "select * from auth.accounts_now where account_id = any($1::uuid[]) order by account_id",
        account_ids,
    )
    return [_account(row) for row in rows]


async def fetch(
    connection: "Connection | asyncpg.Pool", account_ids: Sequence[str], *, lock: bool = False
) -> list[StoredSession]:
    """Read the sessions that live: connected, unexpired, with a key."""
    rows = await connection.fetch(
        f"""
        select a.account_id, a.broker, a.broker_client_id, a.environment, a.session_expires_at,
            n.egress, a.version, c.app_id, c.access_token, c.refresh_token, c.api_secret,
            c.more_fields, c.login_key, c.session_key
        from auth.broker_accounts a join auth.broker_credentials c using (account_id)
            join auth.accounts_now n using (account_id)
        where a.account_id = any($1::uuid[]) and a.session_state = 'CONNECTED'
            and a.session_expires_at > clock_timestamp() and c.session_key is not null
        order by a.account_id
        {"for share of a" if lock else ""}
        """,  # noqa: S608  # One of two constants.
        account_ids,
    )
    return [_session(row) for row in rows]


def _account(row: asyncpg.Record) -> Account:
    values: dict[str, Any] = {}
    for name in _ACCOUNT_FIELDS:
        kind = _KINDS.get(name)
        values[name] = kind(row[name]) if kind else row[name]
    return Account(**{**values, "strategy_algo_ids": row["strategy_algo_ids"] or {}})


def _session(row: asyncpg.Record) -> StoredSession:
    columns = {name: row[name] for name in COLUMNS if row[name] is not None}
    return StoredSession(
        account_id=row["account_id"],
        broker=row["broker"],
        client_id=row["broker_client_id"],
        environment=Environment(row["environment"]),
        expires_at=row["session_expires_at"],
        egress=row["egress"],
        version=row["version"],
        sealed=Sealed(
            login_key=row["login_key"],
            session_key=row["session_key"],
            app_id=row["app_id"],
            fields={**columns, **row["more_fields"]},
        ),
    )
