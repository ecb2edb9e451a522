"""One database, one schema and one role per service, brought forward by each service's files."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit, urlunsplit

import psycopg
import stamina
from psycopg import sql
from yoyo import read_migrations
from yoyo.backends.core.postgresql import PostgresqlPsycopgBackend
from yoyo.connections import parse_uri
from yoyo.migrations import Migration

SERVICES = ("auth", "signal", "executor", "streaming")
# Who reads granted views in whose schema; the views and their grants stand in the owner's files.
READERS: Mapping[str, Sequence[str]] = {
    "auth": ("signal", "executor", "streaming"),
    "signal": ("executor", "streaming"),
    "executor": ("auth", "signal", "streaming"),
    "streaming": (),
}

_ROOT = Path(__file__).resolve().parents[2]
_LOCK = 0x10C5  # One migration at a time per database; ends with the connection.
_LOCK_WAIT_S = 120
_CONNECT_PATIENCE_S = 60

# Roles are shared by all databases of a server: another migration may write the same row.
_ROLE_BUSY = (
    psycopg.errors.UniqueViolation,
    psycopg.errors.DuplicateObject,
    psycopg.errors.InternalError_,
)


class MigrationRefused(Exception):
    """One line: what stands in the way, and what to do about it."""


def role_of(service: str) -> str:
    return f"lockstep_{service}"


def service_dsn(owner_dsn: str, service: str, password: str) -> str:
    """Put the service's own role and password into the owner's address."""
    parts = urlsplit(owner_dsn)
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit(
        parts._replace(netloc=f"{quote(role_of(service))}:{quote(password, safe='')}@{host}")
    )


def migrate(dsn: str, *, partitions: int, service_password: str, root: Path = _ROOT) -> None:
    """Create roles and schemas, note the number of partitions, run what is new of each service.

    Safe to repeat and to run twice at once. Raise `MigrationRefused` when it cannot be done.
    """
    try:
        with _connected(dsn) as owner:
            owner.execute("select pg_advisory_lock(%s)", [_LOCK])
            _create_roles(owner, service_password)
            _create_schemas(owner)
            _note_partitions(owner, partitions)
            for service in SERVICES:
                _run_files(dsn, service, root / "services" / service / "migrations")
    except psycopg.Error as error:
        raise MigrationRefused(_one_line(error)) from error


@contextmanager
def _connected(dsn: str) -> Iterator[psycopg.Connection[Any]]:
    connection: psycopg.Connection[Any] | None = None
    for attempt in stamina.retry_context(
        on=psycopg.OperationalError,
        attempts=None,
        timeout=_CONNECT_PATIENCE_S,
        wait_max=2,
        wait_jitter=0.2,
    ):
        with attempt:
            connection = psycopg.connect(dsn, autocommit=True, connect_timeout=5)
    assert connection is not None  # noqa: S101  # The last attempt raises.
    with connection:
        connection.execute(sql.SQL("set lock_timeout = {}").format(sql.Literal(f"{_LOCK_WAIT_S}s")))
        connection.execute("set client_min_messages = warning")
        yield connection


def _create_roles(owner: psycopg.Connection[Any], password: str) -> None:
    for service in SERVICES:
        role = role_of(service)
        # Only the SCRAM verifier travels, so no password stands in a server log.
        verifier = owner.pgconn.encrypt_password(
            password.encode(), role.encode(), b"scram-sha-256"
        ).decode()
        # Not the decorator: it would log the arguments of a retry.
        for attempt in stamina.retry_context(
            on=_ROLE_BUSY,
            attempts=20,
            timeout=20,
            wait_initial=0.02,
            wait_max=0.5,
            wait_jitter=0.05,
        ):
            with attempt:
                _create_role(owner, role, verifier)


def _create_role(owner: psycopg.Connection[Any], role: str, verifier: str) -> None:
    found = owner.execute("select 1 from pg_roles where rolname = %s", [role]).fetchone()
    verb = sql.SQL("alter role") if found else sql.SQL("create role")
    try:
        owner.execute(
            sql.SQL("{} {} login noinherit password {}").format(
                verb, sql.Identifier(role), sql.Literal(verifier)
            )
        )
    except psycopg.errors.InsufficientPrivilege as error:
        if found:
            return  # Made by the database's keeper, who then keeps its password too.
        raise MigrationRefused(
            f"{owner.info.user} may not create the role {role}: give {owner.info.user} CREATEROLE, "
            f"or create {', '.join(role_of(s) for s in SERVICES)} with LOGIN and run this again"
        ) from error


def _create_schemas(owner: psycopg.Connection[Any]) -> None:
    database = sql.Identifier(owner.info.dbname)
    with owner.transaction():
        owner.execute("revoke create on schema public from public")
        for service in SERVICES:
            names = {"schema": sql.Identifier(service), "role": sql.Identifier(role_of(service))}
            owner.execute(sql.SQL("create schema if not exists {schema}").format(**names))
            owner.execute(
                sql.SQL("grant connect on database {database} to {role}").format(
                    database=database, **names
                )
            )
            owner.execute(
                sql.SQL("grant usage on schema public, {schema} to {role}").format(**names)
            )
            for reader in READERS[service]:
                owner.execute(
                    sql.SQL("grant usage on schema {} to {}").format(
                        names["schema"], sql.Identifier(role_of(reader))
                    )
                )


def _note_partitions(owner: psycopg.Connection[Any], partitions: int) -> None:
    roles = sql.SQL(", ").join(sql.Identifier(role_of(service)) for service in SERVICES)
    with owner.transaction():
        owner.execute(
            """
            create table if not exists public.installation (
                one boolean primary key default true check (one),
                partitions integer not null check (partitions > 0),
                created_at timestamptz not null default clock_timestamp()
            )
            """
        )
        owner.execute(sql.SQL("grant select on public.installation to {}").format(roles))
        owner.execute(
            "insert into public.installation (partitions) values (%s) on conflict do nothing",
            [partitions],
        )
        row = owner.execute("select partitions from public.installation").fetchone()
    if row is not None and row[0] != partitions:
        raise MigrationRefused(
            f"this installation has {row[0]} partitions for ever, LOCKSTEP_PARTITIONS says "
            f"{partitions}: set it to {row[0]}, or start with an empty database"
        )


def _run_files(dsn: str, schema: str, folder: Path) -> None:
    if not folder.is_dir():
        return
    with _SchemaBackend(dsn, schema) as backend:
        for migration in backend.to_apply(read_migrations(str(folder))):
            try:
                backend.apply_one(migration)
            except psycopg.Error as error:
                raise MigrationRefused(f"{schema}/{migration.id}: {_one_line(error)}") from error


class _SchemaBackend(PostgresqlPsycopgBackend):
    """yoyo's bookkeeping inside one schema, with three of its habits mended.

    A migration and its mark are one transaction (yoyo makes two, so a crash between them leaves a
    file that can neither run again nor count as done); the lock is ours and dies with its
    connection (yoyo's is a row that a killed run leaves behind); no host name is looked up.
    """

    def __init__(self, dsn: str, schema: str) -> None:
        separator = "&" if urlsplit(dsn).query else "?"
        super().__init__(parse_uri(f"{dsn}{separator}schema={schema}"), "_yoyo_migration")  # type: ignore[no-untyped-call]  # yoyo has no types

    @contextmanager
    def lock(self, timeout: float = 10) -> Iterator[None]:
        yield

    def apply_one(self, migration: Migration, force: bool = False, mark: bool = True) -> None:
        self.ensure_internal_schema_updated()  # type: ignore[no-untyped-call]  # as above
        with self.transaction():  # type: ignore[no-untyped-call]  # as above
            migration.process_steps(self, "apply")
            self.mark_one(migration, log=False)  # type: ignore[no-untyped-call]  # as above


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())
