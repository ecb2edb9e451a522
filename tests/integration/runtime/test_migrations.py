import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest
from psycopg import sql
from yoyo.backends.core.postgresql import PostgresqlPsycopgBackend

from libs.runtime import migrations
from libs.runtime.migrations import SERVICES, MigrationRefused, migrate, service_dsn
from tests.servers import SERVICE_PASSWORD, Database, Servers

FIRST = """-- What auth keeps.
create table auth.kept (id int primary key, percent text default '100% :x', odd jsonb default '{";":1}');
create function auth.checked() returns trigger language plpgsql as $$
begin
    if new.percent is null then raise exception 'none; not even 1 %', new.id; end if;
    return new;
end
$$;
create view auth.kept_now as select id from auth.kept;
grant select, insert, update, delete on auth.kept to lockstep_auth;
grant select on auth.kept_now to lockstep_signal;
"""  # noqa: E501  # As a person would write it.


class Tree:
    """A checkout with migrations of the test's own."""

    def __init__(self, root: Path, dsn: str) -> None:
        self.root = root
        self.dsn = dsn

    def add(self, name: str, text: str, service: str = "auth") -> None:
        folder = self.root / "services" / service / "migrations"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)

    def migrate(self, partitions: int = 4) -> None:
        migrate(self.dsn, partitions=partitions, service_password=SERVICE_PASSWORD, root=self.root)

    def rows(self, query: str, dsn: str | None = None) -> list[tuple[object, ...]]:
        with psycopg.connect(dsn or self.dsn, autocommit=True) as connection:
            return connection.execute(query.encode()).fetchall()


@contextmanager
def empty_database(servers: Servers, name: str) -> Iterator[str]:
    with psycopg.connect(servers.postgres_dsn, autocommit=True) as owner:
        owner.execute(sql.SQL("create database {}").format(sql.Identifier(name)))
        try:
            yield urlunsplit(urlsplit(servers.postgres_dsn)._replace(path=f"/{name}"))
        finally:
            owner.execute(sql.SQL("drop database {} with (force)").format(sql.Identifier(name)))


@pytest.fixture
def tree(servers: Servers, tmp_path: Path) -> Iterator[Tree]:
    with empty_database(servers, f"lockstep_test_{os.getpid()}_empty") as dsn:
        yield Tree(tmp_path, dsn)


def together(*works: Callable[[], None]) -> list[BaseException]:
    failures: list[BaseException] = []

    def run(work: Callable[[], None]) -> None:
        try:
            work()
        except (MigrationRefused, psycopg.Error) as error:
            failures.append(error)

    threads = [threading.Thread(target=run, args=[work]) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return failures


def test_files_run_once_in_order_and_whatever_they_hold(tree: Tree) -> None:
    tree.add("0001_first.sql", FIRST)
    tree.migrate()
    tree.add("0002_second.sql", "alter table auth.kept add more int;")
    tree.add("0003_third.sql", "update auth.kept set more = 1; create index on auth.kept (more);")

    tree.migrate()
    tree.migrate()

    done = tree.rows("select migration_id from auth._yoyo_migration order by applied_at_utc")
    assert [name for (name,) in done] == ["0001_first", "0002_second", "0003_third"]


def test_two_at_once_do_it_once(tree: Tree) -> None:
    tree.add("0001_first.sql", f"do $$ begin perform pg_sleep(0.3); end $$;\n{FIRST}")

    assert together(*[tree.migrate] * 4) == []
    assert tree.rows("select count(*) from auth._yoyo_migration") == [(1,)]


def test_several_databases_of_one_server_are_migrated_at_once(
    servers: Servers, tmp_path: Path
) -> None:
    names = [f"lockstep_test_{os.getpid()}_many{number}" for number in range(4)]
    with (
        empty_database(servers, names[0]) as first,
        empty_database(servers, names[1]) as second,
        empty_database(servers, names[2]) as third,
        empty_database(servers, names[3]) as fourth,
    ):
        trees = [Tree(tmp_path, dsn) for dsn in (first, second, third, fourth)]
        for _ in range(3):
            assert together(*[tree.migrate for tree in trees]) == []
        assert [tree.rows("select partitions from public.installation") for tree in trees] == [
            [(4,)]
        ] * 4


def test_a_file_that_fails_leaves_nothing_and_runs_once_mended(tree: Tree) -> None:
    tree.add("0001_first.sql", FIRST)
    tree.add("0002_second.sql", "alter table auth.kept add more int; select * from auth.nowhere;")
    with pytest.raises(MigrationRefused, match=r"^auth/0002_second: .*auth\.nowhere") as refused:
        tree.migrate()
    columns = "select count(*) from information_schema.columns where column_name = 'more'"
    assert "\n" not in str(refused.value)
    assert tree.rows(columns) == [(0,)]

    tree.add("0002_second.sql", "alter table auth.kept add more int;")
    tree.migrate()

    assert tree.rows(columns) == [(1,)]


def test_a_crash_between_a_file_and_its_mark_undoes_the_file(
    tree: Tree, monkeypatch: pytest.MonkeyPatch
) -> None:
    def crash(*_: object, **__: object) -> None:
        raise psycopg.OperationalError("the line is cut")

    tree.add("0001_first.sql", FIRST)
    with monkeypatch.context() as crashing:
        crashing.setattr(PostgresqlPsycopgBackend, "mark_one", crash)
        with pytest.raises(MigrationRefused, match="the line is cut"):
            tree.migrate()

    tree.migrate()

    assert tree.rows("select migration_id from auth._yoyo_migration") == [("0001_first",)]


def test_the_number_of_partitions_is_for_ever(tree: Tree) -> None:
    tree.migrate(partitions=4)

    with pytest.raises(MigrationRefused, match=r"has 4 partitions.*says 8: set it to 4") as refused:
        tree.migrate(partitions=8)

    assert "\n" not in str(refused.value)
    assert tree.rows("select partitions from public.installation") == [(4,)]


def test_a_service_reaches_its_own_schema_and_granted_views_only(tree: Tree) -> None:
    tree.add("0001_first.sql", FIRST)
    tree.migrate()
    auth, signal = (service_dsn(tree.dsn, name, SERVICE_PASSWORD) for name in ("auth", "signal"))

    tree.rows("insert into auth.kept values (7) returning id", auth)

    assert tree.rows("select id from auth.kept_now", signal) == [(7,)]
    assert tree.rows("select partitions from public.installation", signal) == [(4,)]
    for statement in (
        "select * from auth.kept",
        "create table public.mine (id int)",
        "create table auth.mine (id int)",
        "create table signal.mine (id int)",
        "create schema mine",
        "update public.installation set partitions = 8",
        "select * from streaming.anything",
        "create role mine",
    ):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            tree.rows(statement, signal)


def test_passwords_are_kept_as_scram_verifiers(tree: Tree) -> None:
    tree.migrate()

    kept = tree.rows("select rolpassword from pg_authid where rolname like 'lockstep\\_%' limit 4")

    assert len(kept) == len(SERVICES)
    assert all(str(verifier).startswith("SCRAM-SHA-256$") for (verifier,) in kept)


def test_an_owner_who_may_not_create_roles_is_told_in_one_line(
    servers: Servers, database: Database
) -> None:
    small = "lockstep_small_owner"
    with psycopg.connect(servers.postgres_dsn, autocommit=True) as owner:
        owner.execute(f"create role {small} login password 'x'".encode())
        try:
            # The roles of this server are there already, so ask for one that is not.
            with pytest.raises(MigrationRefused, match="CREATEROLE") as refused:
                _create_role_as(service_dsn(database.owner_dsn, "auth", "x"), small)
            assert "\n" not in str(refused.value)
        finally:
            owner.execute(f"drop role {small}".encode())


def _create_role_as(dsn: str, user: str) -> None:
    parts = urlsplit(dsn)
    host = parts.netloc.rpartition("@")[2]
    with psycopg.connect(
        urlunsplit(parts._replace(netloc=f"{user}:x@{host}")), autocommit=True
    ) as connection:
        migrations._create_role(connection, "lockstep_absent", "")  # noqa: SLF001  # One step alone.


def test_a_server_that_does_not_answer_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("libs.runtime.migrations._CONNECT_PATIENCE_S", 0.2)

    with pytest.raises(MigrationRefused) as refused:
        migrate("postgresql://u:hunter22@127.0.0.1:1/x", partitions=4, service_password="p")

    assert "\n" not in str(refused.value)
    assert "hunter22" not in str(refused.value)


@pytest.mark.parametrize("password", ["plain", "p@ss/w:rd%41?#&+ ü"])
def test_a_service_address_survives_any_password(password: str) -> None:
    dsn = service_dsn("postgresql://owner:x@db:5518/lockstep?sslmode=disable", "auth", password)

    read = psycopg.conninfo.conninfo_to_dict(dsn)

    assert (read["user"], read["password"]) == ("lockstep_auth", password)
    assert (read["host"], read["port"], read["dbname"]) == ("db", "5518", "lockstep")
    assert read["sslmode"] == "disable"
