"""A running signal service, and what auth would show it of broker accounts."""

from collections.abc import AsyncIterator, Callable

import psycopg
import pytest
from uuid_utils import uuid7

from tests.integration.signal.running import RunningService, running_service
from tests.servers import Database, Servers

_REPLACE_VIEW = """
    alter view auth.accounts_now rename to accounts_now_as_migrated;
    create table auth.accounts_now (like auth.accounts_now_as_migrated);
    grant select on auth.accounts_now to lockstep_signal;
"""
_ADD_ACCOUNT = """
    insert into auth.accounts_now (account_id, user_id, broker, kind, version, session_state,
        environment, regime, broker_client_id, changed_at)
    values (%s, %s, 'fyers', %s, 1, %s, 'PAPER', 'PAPER', 'XB00001', now())
"""


@pytest.fixture
async def service(
    servers: Servers, database: Database, kafka_topics: int
) -> AsyncIterator[RunningService]:
    async with running_service(servers, database) as running:
        yield running


@pytest.fixture
def add_account(database: Database) -> Callable[..., str]:
    """Put accounts where auth shows them, without writing to auth's own tables."""
    with psycopg.connect(database.owner_dsn, autocommit=True) as owner:
        owner.execute(_REPLACE_VIEW)

    def add(user_id: str, *, kind: str = "CLIENT", session_state: str = "CONNECTED") -> str:
        account_id = str(uuid7())
        with psycopg.connect(database.owner_dsn, autocommit=True) as owner:
            owner.execute(_ADD_ACCOUNT, (account_id, user_id, kind, session_state))
        return account_id

    return add
