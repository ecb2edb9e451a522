"""A schema of the tests' own, with the tables every publishing service has."""

from collections.abc import AsyncIterator

import asyncpg
import psycopg
import pytest

from libs.runtime.postgres import open_pool
from tests.servers import Database

SCHEMA = "probe"

_TABLES = """
create schema probe;
create table probe.outbox (
    id bigint generated always as identity primary key,
    topic text not null,
    key text not null,
    partitions int[] not null,
    payload bytea not null,
    headers jsonb not null default '{}',
    created_at timestamptz not null default clock_timestamp()
);
create table probe.alarms (
    name text not null,
    subject text not null,
    user_id uuid,
    figures jsonb not null,
    opened_at timestamptz not null,
    cleared_at timestamptz
);
create unique index on probe.alarms (name, subject) where cleared_at is null;
"""


@pytest.fixture
async def pool(database: Database) -> AsyncIterator[asyncpg.Pool]:
    with psycopg.connect(database.owner_dsn) as owner:
        owner.execute(_TABLES)
    pool = await open_pool(database.owner_dsn, application_name="test", statement_timeout_s=1)
    yield pool
    await pool.close()
