"""Who may do what in the database: a table is written by one service, others read views."""

import asyncpg
import pytest

from tests.servers import Database

SERVICES = ("auth", "signal", "executor", "streaming")
# View -> the services beside its owner that may read it.
VIEWS = {
    "signal.emitted": {"executor"},
    "signal.follows_now": {"executor", "streaming"},
    "auth.accounts_now": {"signal", "executor", "streaming"},
    "auth.stops": {"executor"},
    "executor.kill_switches_now": {"auth", "signal", "streaming"},
}
_RELATIONS = """
SELECT n.nspname || '.' || c.relname AS name, n.nspname AS owner, c.relkind = 'v' AS is_view
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = ANY($1::text[]) AND c.relkind IN ('r', 'v')
"""
_MAY = "SELECT has_table_privilege($1, $2, $3) AND has_schema_privilege($1, $4, 'USAGE')"
# The bookkeeping of the migrations belongs to nobody but the database's owner.
_BOOKKEEPING = "yoyo"


async def relations(owner: asyncpg.Connection) -> list[asyncpg.Record]:
    rows = await owner.fetch(_RELATIONS, list(SERVICES))
    return [row for row in rows if _BOOKKEEPING not in row["name"]]


@pytest.mark.parametrize("service", SERVICES)
async def test_a_service_reads_its_own_tables_and_the_granted_views(
    database: Database, service: str
) -> None:
    owner = await asyncpg.connect(database.owner_dsn)
    readable = set()
    for row in await relations(owner):
        role = f"lockstep_{service}"
        if await owner.fetchval(_MAY, role, row["name"], "SELECT", row["owner"]):
            readable.add(row["name"])
    everything = await relations(owner)
    await owner.close()

    own = {row["name"] for row in everything if row["owner"] == service and not row["is_view"]}
    granted = {view for view, readers in VIEWS.items() if service in readers}
    own_views = {row["name"] for row in everything if row["owner"] == service and row["is_view"]}
    assert readable - own_views == own | granted


@pytest.mark.parametrize("privilege", ["INSERT", "UPDATE", "DELETE", "TRUNCATE"])
async def test_a_table_is_written_by_exactly_one_service(
    database: Database, privilege: str
) -> None:
    owner = await asyncpg.connect(database.owner_dsn)
    foreign = [
        f"{service} may {privilege} {row['name']}"
        for row in await relations(owner)
        for service in SERVICES
        if service != row["owner"]
        and await owner.fetchval(_MAY, f"lockstep_{service}", row["name"], privilege, row["owner"])
    ]
    await owner.close()

    assert foreign == []


async def test_the_views_are_exactly_those_that_were_decided(database: Database) -> None:
    owner = await asyncpg.connect(database.owner_dsn)
    views = {row["name"] for row in await relations(owner) if row["is_view"]}
    await owner.close()

    assert views == set(VIEWS)


async def test_what_is_appended_can_not_be_changed(database: Database) -> None:
    executor = await asyncpg.connect(database.dsn("executor"))
    appended = ("order_history", "observations", "inbox", "history_links", "day_seals")
    for table in (*appended, "carried_positions"):
        for statement in (f"DELETE FROM executor.{table}", f"TRUNCATE executor.{table}"):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await executor.execute(statement)
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await executor.execute("UPDATE executor.order_history SET state = 'FILLED'")
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await executor.execute("UPDATE executor.history_links SET row_count = 0")
    await executor.close()


async def test_a_service_can_not_reach_into_another_ones_tables(database: Database) -> None:
    executor = await asyncpg.connect(database.dsn("executor"))
    for table in ("auth.broker_credentials", "auth.users", "signal.signals"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await executor.fetch(f"SELECT * FROM {table}")
    await executor.close()
