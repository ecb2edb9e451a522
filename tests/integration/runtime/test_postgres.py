import time
from decimal import Decimal

import asyncpg
import pytest

from libs.runtime.postgres import DatabaseUnavailable, database_ready, open_pool
from tests.servers import Database

ID = "0193a000-0000-7000-8000-00000000000a"


async def test_uuids_are_text_and_jsonb_is_python_on_every_way(pool: asyncpg.Pool) -> None:
    figures = {"price": "812.50", "list": [1, None, True], "deep": {"é": "ü"}}

    row = await pool.fetchrow("select $1::uuid as id, $2::jsonb as figures", ID, figures)
    many = await pool.fetchval("select $1::uuid[]", [ID, ID])

    assert row is not None
    assert (row["id"], row["figures"], many) == (ID, figures, [ID, ID])


async def test_copy_takes_the_same_values(pool: asyncpg.Pool) -> None:
    await pool.execute("create table probe.rows (id uuid, figures jsonb)")

    await pool.copy_records_to_table("rows", schema_name="probe", records=[(ID, {"a": 1})])

    (row,) = await pool.fetch("select * from probe.rows")
    assert tuple(row) == (ID, {"a": 1})


@pytest.mark.parametrize("number", ["20000", "1000000.00", "0.0001", "-812.50", "0"])
async def test_numbers_are_read_as_people_write_them(pool: asyncpg.Pool, number: str) -> None:
    one = await pool.fetchval("select $1::numeric", Decimal(number))
    many = await pool.fetchval("select $1::numeric[]", [Decimal(number), None])

    assert (str(one), [str(many[0]), many[1]]) == (number, [number, None])


@pytest.mark.parametrize("wrong", ["", "not-a-uuid", ID[:-1], f"{ID}00"])
async def test_what_is_no_uuid_is_refused_before_it_is_sent(pool: asyncpg.Pool, wrong: str) -> None:
    with pytest.raises(asyncpg.DataError):
        await pool.fetchval("select $1::uuid", wrong)


async def test_statements_and_locks_wait_no_longer_than_told(pool: asyncpg.Pool) -> None:
    started = time.monotonic()
    with pytest.raises(asyncpg.QueryCanceledError):
        await pool.execute("select pg_sleep(30)")

    assert time.monotonic() - started < 20  # Of the 30 it asked for.
    assert await pool.fetchval("select current_setting('lock_timeout')") == "1s"
    assert await pool.fetchval("select current_setting('timezone')") == "UTC"
    assert await pool.fetchval("select current_setting('application_name')") == "test"


async def test_ready_turns_false_with_the_pool(pool: asyncpg.Pool) -> None:
    assert await database_ready(pool)

    await pool.close()

    assert not await database_ready(pool)


async def test_a_killed_connection_is_replaced(pool: asyncpg.Pool) -> None:
    async with pool.acquire() as connection:
        its_id = connection.get_server_pid()
    await pool.execute("select pg_terminate_backend($1) where $1 <> pg_backend_pid()", its_id)

    answers = [await database_ready(pool) for _ in range(3)]

    assert answers[-1]


@pytest.mark.parametrize("address", ["127.0.0.1:1/nowhere", "no-such-host.invalid:5432/x"])
async def test_a_database_that_is_away_is_waited_for_within_bounds(address: str) -> None:
    started = time.monotonic()

    with pytest.raises(DatabaseUnavailable, match=address.split("/", maxsplit=1)[0]) as away:
        await open_pool(f"postgresql://u:hunter22@{address}", application_name="t", patience_s=0.5)

    assert 0.3 < time.monotonic() - started < 30
    assert "hunter22" not in str(away.value)


async def test_a_wrong_password_is_said_without_showing_it(database: Database) -> None:
    dsn = database.dsn("auth").replace("lockstep-tests", "hunter22")

    with pytest.raises(DatabaseUnavailable) as refused:
        await open_pool(dsn, application_name="t", patience_s=0.3)

    assert "hunter22" not in str(refused.value)
