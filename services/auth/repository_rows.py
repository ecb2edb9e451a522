"""The statements that read and write the rows of one link, inside a caller's transaction."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import asyncpg

from libs.brokers.protocol import LoginGrant
from libs.trading.accounts import Environment, SessionState
from services.auth.accounts import Slot, waiting
from services.auth.credentials import COLUMNS, Sealed
from services.auth.login_states import Link

if TYPE_CHECKING:
    from asyncpg.pool import PoolConnectionProxy

    Connection = asyncpg.Connection | PoolConnectionProxy


async def locked_slots(connection: "Connection", link: Link) -> list[Slot]:
    # Two tabs finish at the same moment: the second one sees what the first one stored.
    await connection.execute(
        "select pg_advisory_xact_lock(hashtextextended($1, 0))",
        f"link:{link.user_id}:{link.broker}:{link.kind}",
    )
    rows = await connection.fetch(
        """
        select account_id, broker_client_id, session_state from auth.broker_accounts
        where user_id = $1 and broker = $2 and kind = $3 order by changed_at desc
        """,
        link.user_id,
        link.broker,
        link.kind.value,
    )
    return [
        Slot(
            account_id=row["account_id"],
            broker_client_id=row["broker_client_id"],
            session_state=SessionState(row["session_state"]),
        )
        for row in rows
    ]


async def clear_waiting(
    connection: "Connection", slots: Sequence[Slot], *, keep: str | None
) -> None:
    slot = waiting(slots)
    if slot is None or slot.account_id == keep:
        return
    for table in ("broker_credentials", "broker_accounts"):
        await connection.execute(
            f"delete from auth.{table} where account_id = $1",  # noqa: S608  # Two constants.
            slot.account_id,
        )


async def put_account(
    connection: "Connection", link: Link, account_id: str, grant: LoginGrant
) -> None:
    await connection.execute(
        """
        insert into auth.broker_accounts (
            account_id, user_id, broker, kind, broker_client_id, session_state,
            session_expires_at, environment, connected_at, last_sync_at
        )
        values ($1, $2, $3, $4, $5, 'CONNECTED', $6, $7, clock_timestamp(), clock_timestamp())
        on conflict (account_id) do update set
            broker_client_id = excluded.broker_client_id,
            session_state = excluded.session_state,
            session_expires_at = excluded.session_expires_at,
            connected_at = excluded.connected_at,
            last_sync_at = excluded.last_sync_at,
            version = broker_accounts.version + 1,
            changed_at = clock_timestamp()
        """,
        account_id,
        link.user_id,
        link.broker,
        link.kind.value,
        grant.profile.broker_client_id,
        grant.expires_at,
        Environment.PAPER.value,
    )


async def put_waiting(connection: "Connection", link: Link, account_id: str) -> None:
    await connection.execute(
        """
        insert into auth.broker_accounts (account_id, user_id, broker, kind, session_state)
        values ($1, $2, $3, $4, 'DISCONNECTED')
        """,
        account_id,
        link.user_id,
        link.broker,
        link.kind.value,
    )


async def put_credentials(
    connection: "Connection", link: Link, account_id: str, grant: LoginGrant, sealed: Sealed
) -> None:
    await connection.execute(
        """
        insert into auth.broker_credentials (
            account_id, user_id, broker_name, client_id, app_id, access_token, refresh_token,
            api_secret, more_fields, login_key, session_key, connection_status, expires_at
        )
        values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, 'connected', $12)
        on conflict (account_id) do update set
            client_id = excluded.client_id, app_id = excluded.app_id,
            access_token = excluded.access_token, refresh_token = excluded.refresh_token,
            api_secret = excluded.api_secret, more_fields = excluded.more_fields,
            login_key = excluded.login_key, session_key = excluded.session_key,
            connection_status = excluded.connection_status, expires_at = excluded.expires_at,
            changed_at = clock_timestamp()
        """,
        account_id,
        link.user_id,
        link.broker,
        grant.profile.broker_client_id,
        sealed.app_id,
        *(sealed.fields.get(name) for name in COLUMNS),
        {name: text for name, text in sealed.fields.items() if name not in COLUMNS},
        sealed.login_key,
        sealed.session_key,
        grant.expires_at,
    )


async def put_own_app(
    connection: "Connection", link: Link, account_id: str, sealed: Sealed
) -> None:
    # The login key is new, so what the old one covered goes with it: the retired refresh token.
    await connection.execute(
        """
        insert into auth.broker_credentials
            (account_id, user_id, broker_name, app_id, api_secret, login_key)
        values ($1, $2, $3, $4, $5, $6)
        on conflict (account_id) do update set
            app_id = excluded.app_id, api_secret = excluded.api_secret,
            login_key = excluded.login_key, refresh_token = null,
            changed_at = clock_timestamp()
        """,
        account_id,
        link.user_id,
        link.broker,
        sealed.app_id,
        sealed.fields["api_secret"],
        sealed.login_key,
    )
