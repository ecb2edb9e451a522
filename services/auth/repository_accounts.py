"""SQL that changes broker accounts: linked by a login, ended by disconnect or by time.

Every change is one transaction: the account, its credentials, the audit line, the session event in
the outbox, and (so that the row locks order them) the hot copy in Redis.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import asyncpg
from uuid_utils import uuid7

from libs.brokers.protocol import LoginGrant
from libs.contracts import codec, topics
from libs.contracts.notices import message_of
from libs.runtime.outbox import OutboxMessage, enqueue
from libs.trading.accounts import Account, SessionState
from libs.trading.events import Notice
from libs.trading.shards import shard_of
from services.auth import repository_notifications as notifications
from services.auth import repository_rows as rows
from services.auth import repository_sessions as sessions
from services.auth.accounts import Slot, slot_for, waiting
from services.auth.actors import PLATFORM, Actor
from services.auth.copies import Copies
from services.auth.credentials import Sealed, StoredSession
from services.auth.login_states import Link
from services.auth.repository_audit import record

if TYPE_CHECKING:
    from asyncpg.pool import PoolConnectionProxy

    Connection = asyncpg.Connection | PoolConnectionProxy

# Any number will do, as long as nobody else takes it.
_EXPIRY_TURN = 0x0A_0701
_EXPIRED_AT_ONCE_MAX = 500

Told = Callable[[Account], Notice]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """What a disconnect ended: the account, and its session if one was open."""

    account_id: str
    session: StoredSession | None


class AccountRepository:
    def __init__(self, pool: asyncpg.Pool, partitions: int, copies: Copies) -> None:
        self._pool = pool
        self._partitions = partitions
        self._copies = copies

    async def save_login(
        self,
        link: Link,
        grant: LoginGrant,
        *,
        title: str,
        seal: Callable[[str], Sealed],
        actor: Actor,
    ) -> Account:
        """Store a fresh login. Raise `Problem` (409) when another client is linked."""
        client_id = grant.profile.broker_client_id
        async with self._pool.acquire() as connection, connection.transaction():
            slots = await rows.locked_slots(connection, link)
            slot = slot_for(slots, client_id, title)
            account_id = slot.account_id if slot else str(uuid7())
            await rows.clear_waiting(connection, slots, keep=account_id)
            await rows.put_account(connection, link, account_id, grant)
            await rows.put_credentials(connection, link, account_id, grant, seal(account_id))
            subject = f"account:{account_id}"
            details = {"broker": link.broker, "broker_client_id": client_id}
            await record(connection, actor, "broker_connected", subject, **details)
            account = (await self.announce(connection, [account_id]))[0]
            await self._copies.put_sessions(await sessions.fetch(connection, [account_id]))
        return account

    async def save_own_app(
        self, link: Link, app_id: str, seal: Callable[[str], Sealed], actor: Actor
    ) -> None:
        """Keep an account's own broker app, for the next login. A linked session stays as it is."""
        async with self._pool.acquire() as connection, connection.transaction():
            slots = await rows.locked_slots(connection, link)
            slot = _linked(slots) or waiting(slots)
            account_id = slot.account_id if slot else str(uuid7())
            if slot is None:
                await rows.put_waiting(connection, link, account_id)
            await rows.put_own_app(connection, link, account_id, seal(account_id))
            subject = f"account:{account_id}"
            await record(connection, actor, "own_app_stored", subject, app_id=app_id)

    async def disconnect(self, link: Link, actor: Actor) -> Ended | None:
        """End the link: keys and secrets are gone when this returns. None if nothing was linked."""
        async with self._pool.acquire() as connection, connection.transaction():
            slots = await rows.locked_slots(connection, link)
            slot = _linked(slots) or waiting(slots)
            if slot is None:
                return None
            account_id = slot.account_id
            found = await sessions.fetch(connection, [account_id])
            await rows.clear_waiting(connection, slots, keep=None)
            if slot.broker_client_id is not None:
                await connection.execute(
                    "delete from auth.broker_credentials where account_id = $1", account_id
                )
                await connection.execute(
                    """
                    update auth.broker_accounts set session_state = 'DISCONNECTED',
                        session_expires_at = null, version = version + 1,
                        changed_at = clock_timestamp()
                    where account_id = $1
                    """,
                    account_id,
                )
                await self.announce(connection, [account_id])
            subject = f"account:{account_id}"
            await record(connection, actor, "broker_disconnected", subject, broker=link.broker)
            await self._copies.drop_sessions([account_id])
        return Ended(account_id=account_id, session=found[0] if found else None)

    async def mark(self, account: Account, state: SessionState, told: Told) -> bool:
        """Note that a session turned out dead, unless the account changed meanwhile."""
        async with self._pool.acquire() as connection, connection.transaction():
            ids = await connection.fetch(
                """
                update auth.broker_accounts set session_state = $3, version = version + 1,
                    changed_at = clock_timestamp()
                where account_id = $1 and version = $2 and session_state = 'CONNECTED'
                returning account_id
                """,
                account.account_id,
                account.version,
                state.value,
            )
            await self._ended(connection, [row["account_id"] for row in ids], state, told)
        return bool(ids)

    async def expire_due(self, told: Told) -> int:
        """Mark sessions past their end, at most one batch; one replica at a time."""
        async with self._pool.acquire() as connection, connection.transaction():
            if not await connection.fetchval("select pg_try_advisory_xact_lock($1)", _EXPIRY_TURN):
                return 0
            ids = await connection.fetch(
                """
                update auth.broker_accounts set session_state = 'EXPIRED',
                    version = version + 1, changed_at = clock_timestamp()
                where account_id in (
                    select account_id from auth.broker_accounts
                    where session_state = 'CONNECTED'
                        and session_expires_at <= clock_timestamp()
                    order by session_expires_at limit $1 for update skip locked
                )
                returning account_id
                """,
                _EXPIRED_AT_ONCE_MAX,
            )
            expired = [row["account_id"] for row in ids]
            await self._ended(connection, expired, SessionState.EXPIRED, told)
        return len(expired)

    async def touch(self, account_id: str) -> None:
        """Note that the broker answered for this account just now."""
        await self._pool.execute(
            """
            update auth.broker_accounts set last_sync_at = clock_timestamp()
            where account_id = $1
            """,
            account_id,
        )

    async def announce(self, connection: "Connection", account_ids: Sequence[str]) -> list[Account]:
        """Tell everybody how these accounts stand, in the caller's transaction."""
        accounts = await sessions.accounts(connection, account_ids)
        await enqueue(connection, "auth", [self._event(account) for account in accounts])
        return accounts

    async def _ended(
        self, connection: "Connection", account_ids: Sequence[str], state: SessionState, told: Told
    ) -> None:
        if not account_ids:
            return
        await connection.execute(
            """
            update auth.broker_credentials set connection_status = lower($2),
                changed_at = clock_timestamp()
            where account_id = any($1::uuid[])
            """,
            account_ids,
            state.value,
        )
        notices = [told(account) for account in await self.announce(connection, account_ids)]
        await notifications.store(connection, notices)
        await enqueue(connection, "auth", [message_of(notice) for notice in notices])
        for account_id in account_ids:
            await record(
                connection, PLATFORM, "session_ended", f"account:{account_id}", state=state
            )
        await self._copies.drop_sessions(account_ids)

    def _event(self, account: Account) -> OutboxMessage:
        return OutboxMessage(
            topic=topics.SESSION_EVENTS,
            key=account.account_id,
            partitions=(shard_of(account.account_id, self._partitions),),
            payload=codec.encode(account),
        )


def _linked(slots: Sequence[Slot]) -> Slot | None:
    return next((s for s in slots if s.session_state is not SessionState.DISCONNECTED), None)
