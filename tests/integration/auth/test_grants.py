"""Who may read and write auth's tables (D16), and what the two views show."""

import pytest
from uuid_utils import uuid7

from tests.integration.auth.running import BROKER, World, may
from tests.servers import Database

OTHERS = ("signal", "executor", "streaming")


@pytest.mark.parametrize("service", OTHERS)
async def test_others_read_the_views_and_nothing_else(database: Database, service: str) -> None:
    dsn = database.dsn(service)

    assert await may(dsn, "select * from auth.accounts_now")
    assert await may(dsn, "select * from auth.stops") is (service == "executor")
    for table in ("users", "broker_accounts", "broker_credentials", "evidence", "audit", "outbox"):
        assert not await may(dsn, f"select * from auth.{table}")  # noqa: S608  # A constant.
    assert not await may(dsn, "update auth.accounts_now set broker = 'mine'")


async def test_audit_is_append_only_even_for_auth(database: Database) -> None:
    dsn = database.dsn("auth")

    assert await may(
        dsn, "insert into auth.audit (via, address, action, subject) values ('a', 'b', 'c', 'd')"
    )
    assert await may(dsn, "select * from auth.audit")
    for statement in (
        "update auth.audit set action = 'x'",
        "delete from auth.audit",
        "truncate auth.audit",
    ):
        assert not await may(dsn, statement)


async def test_evidence_is_closed_but_never_rewritten_or_removed(database: Database) -> None:
    dsn = database.dsn("auth")

    assert await may(dsn, "update auth.evidence set closed_reason = 'x'")
    for statement in (
        "update auth.evidence set value = 'x'",
        "update auth.evidence set valid_until = null",
        "delete from auth.evidence",
        "truncate auth.evidence",
    ):
        assert not await may(dsn, statement)


@pytest.mark.parametrize("service", ["signal", "streaming"])
async def test_what_an_account_lacks_is_asked_by_those_who_send(
    database: Database, service: str
) -> None:
    lack = "select auth.live_lack(gen_random_uuid())"
    stands = "select auth.algo_id_stands(gen_random_uuid(), '7')"

    for question in (lack, stands):
        assert not await may(database.dsn(service), question)
        assert await may(database.dsn("executor"), question)


async def test_accounts_show_in_the_view_once_they_were_connected(world: World) -> None:
    follower = await world.person("follower")
    app = {"app_id": "OWNAPP0001-100", "api_secret": "secret"}
    stored = await follower.http.put(f"/client/broker/{BROKER}/credentials", json=app)
    assert stored.status_code == 200
    assert world.rows("select * from auth.accounts_now") == []

    master = await world.person("master")
    account_id = (await master.connect("MS00002", "trader")).json()["data"]["account_id"]

    assert world.rows(
        "select account_id::text, user_id::text, broker, kind, version, session_state, environment,"
        " regime, broker_client_id, egress, algo_id, consent_version from auth.accounts_now"
    ) == [
        (
            *(account_id, master.user_id, BROKER, "TRADER", 1, "CONNECTED", "PAPER", "PAPER"),
            *("MS00002", None, None, None),
        )
    ]


async def test_stops_name_disabled_users_and_live_accounts_without_consent(world: World) -> None:
    follower = await world.person("follower")
    account_id = (await follower.connect("XB40001")).json()["data"]["account_id"]
    reasons = "select reason from auth.stops where account_id = %s"
    assert world.rows(reasons, account_id) == []

    world.change("update auth.broker_accounts set environment = 'LIVE'")

    assert world.rows(reasons, account_id) == [("NO_CONSENT",)]
    world.change(
        "insert into auth.consents (consent_id, account_id, user_id, version, text_name,"
        " text_hash, address) values (%s, %s, %s, 3, 'live', 'abc', '127.0.0.1')",
        str(uuid7()),
        account_id,
        follower.user_id,
    )
    assert world.rows(reasons, account_id) == [("NO_REGIME",)]
    assert world.rows("select consent_version from auth.accounts_now") == [(3,)]
    world.change("update auth.consents set withdrawn_at = clock_timestamp()")
    assert world.rows(reasons, account_id) == [("NO_CONSENT",)]
    world.change("update auth.broker_accounts set environment = 'PAPER'")
    assert world.rows(reasons, account_id) == []
    world.change("update auth.users set disabled_at = clock_timestamp()")
    assert world.rows(reasons, account_id) == [("USER_DISABLED",)]
