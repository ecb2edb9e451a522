"""A master and crowds of followers, written straight into the tables of their owners.

A thousand sign-ups and broker logins would take longer than the bench. What stands in memory and in
the ledger afterwards is the same: users, connected paper accounts, follows, sealed sessions.
"""

import asyncio
import secrets
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import asyncpg
from pydantic import SecretStr
from redis.asyncio import Redis

from libs.brokers.registry import BROKERS
from libs.runtime.identity import API_KEY_PREFIX, token_hash
from libs.runtime.internal_client import session_place
from libs.runtime.vault import KeyRing
from libs.trading.accounts import Environment
from libs.trading.calendar import trading_day
from services.auth.copies import Copies
from services.auth.credentials import Sealed, StoredSession
from tests.bench.orders import APP_ID, access_token

BROKER = BROKERS[0]
_LIVES = timedelta(hours=20)
_SESSIONS_AT_ONCE = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """One strategy and the accounts that follow it; nobody is in two groups."""

    strategy_id: str
    account_ids: tuple[str, ...]

    @property
    def n(self) -> int:
        return len(self.account_ids)


@dataclass(frozen=True, slots=True)
class Crowd:
    """Makes people. `owner` is a pool of the database's owner."""

    owner: asyncpg.Pool
    redis: Redis
    session_key: str

    async def master(self) -> tuple[str, str]:
        """Make a master; return user id and API key."""
        user_id = str(uuid.uuid4())
        await self._users([user_id], "master")
        await self.owner.execute(
            "INSERT INTO signal.counters (master_id) VALUES ($1) ON CONFLICT DO NOTHING", user_id
        )
        key = API_KEY_PREFIX + secrets.token_urlsafe(32)
        await self.owner.execute(
            "INSERT INTO auth.api_keys (key_id, user_id, key_hash, label) VALUES ($1, $2, $3, $4)",
            uuid.uuid4(),
            user_id,
            token_hash(key),
            "bench",
        )
        return user_id, key

    async def group(self, master_id: str, followers: int) -> Group:
        """Make a strategy of this master and its followers, all connected."""
        strategy_id = str(uuid.uuid4())
        await self.owner.execute(
            "INSERT INTO signal.strategies (strategy_id, master_id, name) VALUES ($1, $2, $3)",
            strategy_id,
            master_id,
            f"Bench {strategy_id[:8]}",
        )
        users = [str(uuid.uuid4()) for _ in range(followers)]
        accounts = [str(uuid.uuid4()) for _ in range(followers)]
        await self._users(users, "follower")
        await self._accounts(accounts, users)
        await self._follows(strategy_id, master_id, accounts, users)
        await self._begin_day(accounts)
        await self._sessions(accounts)
        return Group(strategy_id=strategy_id, account_ids=tuple(accounts))

    async def leave(self, group: Group) -> None:
        """Remove the followers of a group that never traded, their sessions too."""
        ids = [uuid.UUID(account_id) for account_id in group.account_ids]
        async with self.owner.acquire() as connection, connection.transaction():
            await connection.execute("DELETE FROM signal.follows WHERE account_id = ANY($1)", ids)
            await connection.execute(
                "DELETE FROM auth.broker_accounts WHERE account_id = ANY($1)", ids
            )
        for start in range(0, group.n, _SESSIONS_AT_ONCE):
            part = group.account_ids[start : start + _SESSIONS_AT_ONCE]
            await self.redis.delete(*(f"session:{account_id}" for account_id in part))

    async def _users(self, user_ids: Sequence[str], role: str) -> None:
        await self.owner.copy_records_to_table(
            "users",
            schema_name="auth",
            columns=("user_id", "email", "display_name", "password_hash", "roles"),
            records=[(id_, f"{id_}@bench.example", "Bench", "none", [role]) for id_ in user_ids],
        )

    async def _accounts(self, account_ids: Sequence[str], user_ids: Sequence[str]) -> None:
        now = datetime.now(UTC)
        await self.owner.copy_records_to_table(
            "broker_accounts",
            schema_name="auth",
            columns=(
                *("account_id", "user_id", "broker", "kind", "broker_client_id"),
                *("session_state", "session_expires_at", "connected_at"),
            ),
            records=[
                (
                    account,
                    user,
                    BROKER,
                    "CLIENT",
                    _client_id(account),
                    "CONNECTED",
                    now + _LIVES,
                    now,
                )
                for account, user in zip(account_ids, user_ids, strict=True)
            ],
        )

    async def _follows(
        self,
        strategy_id: str,
        master_id: str,
        account_ids: Sequence[str],
        user_ids: Sequence[str],
    ) -> None:
        await self.owner.copy_records_to_table(
            "follows",
            schema_name="signal",
            columns=(
                *("follow_id", "strategy_id", "master_id", "user_id", "account_id", "broker"),
                *("sizing_mode", "sizing_value", "from_seq"),
            ),
            records=[
                (uuid.uuid4(), strategy_id, master_id, user, account, BROKER, "MULTIPLIER", 1, 0)
                for account, user in zip(account_ids, user_ids, strict=True)
            ],
        )

    async def _begin_day(self, account_ids: Sequence[str]) -> None:
        """Say that the day's first books were read: executors spread that over many minutes."""
        await self.owner.execute(
            """INSERT INTO executor.account_days (account_id, day, book_read_at, carried_at)
            SELECT account_id, $2, clock_timestamp(), clock_timestamp()
            FROM unnest($1::uuid[]) AS account_id""",
            account_ids,
            trading_day(datetime.now(UTC)),
        )

    async def _sessions(self, account_ids: Sequence[str]) -> None:
        """Seal sessions as auth does and put auth's hot copies where executors look first."""
        ring = KeyRing.from_setting(SecretStr(self.session_key))
        copies = Copies(self.redis)
        for start in range(0, len(account_ids), _SESSIONS_AT_ONCE):
            part = account_ids[start : start + _SESSIONS_AT_ONCE]
            await copies.put_sessions([_sealed(account_id, ring) for account_id in part])
            await asyncio.sleep(0)


def _sealed(account_id: str, ring: KeyRing) -> StoredSession:
    wrapped = ring.new_data_key()
    key = ring.unwrap(wrapped)
    secrets_of = {"app_id": APP_ID, "access_token": access_token(account_id)}
    return StoredSession(
        account_id=account_id,
        broker=BROKER,
        client_id=_client_id(account_id),
        environment=Environment.PAPER,
        expires_at=datetime.now(UTC) + _LIVES,
        egress=None,
        version=1,
        sealed=Sealed(
            login_key="",
            session_key=wrapped,
            fields={
                name: key.seal(text, session_place(account_id, BROKER, name))
                for name, text in secrets_of.items()
            },
        ),
    )


def _client_id(account_id: str) -> str:
    return f"XB{account_id[:8].upper()}"
