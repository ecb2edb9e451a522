"""Where tests find their servers: in the environment, else in containers, else the local stack.

One place decides; `tests/conftest.py` prints the choice in the run's header.
"""

import functools
import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import SplitResult, urlsplit, urlunsplit

import psycopg
from psycopg import sql

from libs.runtime.migrations import migrate

PARTITIONS = 4
SERVICE_PASSWORD = "lockstep-tests"
_ROOT = Path(__file__).resolve().parents[1]
_SETTINGS = ("POSTGRES_DSN", "REDIS_URL", "KAFKA_BOOTSTRAP_SERVERS")
_MIGRATION_LOCK = 731_001

Source = Literal["environment", "containers", "local"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Servers:
    """The DSN is the owner's: it may create databases and roles."""

    postgres_dsn: str
    redis_url: str
    kafka_bootstrap_servers: str
    source: Source


@dataclass(frozen=True, slots=True, kw_only=True)
class Database:
    """One migrated database of a test's own."""

    owner_dsn: str

    def dsn(self, service: str) -> str:
        """Return the address under which this service may do what it is granted, and no more."""
        return _with(self.owner_dsn, user=f"lockstep_{service}", password=SERVICE_PASSWORD)


@functools.cache
def source() -> Source:
    if all(os.environ.get(name) for name in _SETTINGS):
        return "environment"
    return "containers" if _container_engine_answers() else "local"


def _container_engine_answers() -> bool:
    """Ask the engine's own socket; a client library would only do the same, slower."""
    engine = urlsplit(os.environ.get("DOCKER_HOST") or "unix:///var/run/docker.sock")
    try:
        with _connected(engine) as line:
            line.settimeout(2)
            line.sendall(b"GET /_ping HTTP/1.0\r\nHost: engine\r\n\r\n")
            return b" 200 " in line.recv(64)
    except OSError:
        return False


def _connected(engine: SplitResult) -> socket.socket:
    if engine.scheme != "unix":
        return socket.create_connection((engine.hostname or "", engine.port or 2375), timeout=2)
    line = socket.socket(socket.AF_UNIX)
    try:
        line.connect(engine.path)
    except OSError:
        line.close()
        raise
    return line


@contextmanager
def running_servers() -> Iterator[Servers]:
    given = {name: os.environ[name] for name in _SETTINGS if os.environ.get(name)}
    if source() == "environment":
        yield _servers(given, "environment")
    elif source() == "containers":
        from tests.containers import running_containers

        with running_containers(given) as found:
            yield _servers(found, "containers")
    else:
        yield _servers(_local_stack(), "local")


def _servers(found: Mapping[str, str], its_source: Source) -> Servers:
    return Servers(
        postgres_dsn=found["POSTGRES_DSN"],
        redis_url=found["REDIS_URL"],
        kafka_bootstrap_servers=found["KAFKA_BOOTSTRAP_SERVERS"],
        source=its_source,
    )


def local_environment() -> dict[str, str]:
    """Name the tests' own stack: it never meets the one of `make run` and outlives a test run."""
    state = os.environ.get("LOCKSTEP_TEST_STATE_DIR") or str(_ROOT / "run" / "test")
    mine = {"LOCKSTEP_STATE_DIR": state, "LOCKSTEP_PORT_BASE": "auto"}
    return {**os.environ, **mine}


def _local_stack() -> dict[str, str]:
    done = subprocess.run(
        [sys.executable, "-m", "deploy.local", "servers", "--json"],
        cwd=_ROOT,
        env=local_environment(),
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    if done.returncode:
        raise RuntimeError(f"the local servers do not start: {done.stderr.strip()}")
    return {name.upper(): value for name, value in json.loads(done.stdout).items()}


@contextmanager
def migrated_template(servers: Servers) -> Iterator[str]:
    """Migrate once per test run; each test then clones it, which takes some 50 ms."""
    name = f"lockstep_template_{os.getpid()}"
    with psycopg.connect(servers.postgres_dsn, autocommit=True) as maintenance:
        # Roles belong to the whole server: two test runs at once must not make them together.
        maintenance.execute("SELECT pg_advisory_lock(%s)", (_MIGRATION_LOCK,))
        _drop_leftovers(maintenance)
        maintenance.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        migrate(
            _with(servers.postgres_dsn, database=name),
            partitions=PARTITIONS,
            service_password=SERVICE_PASSWORD,
        )
        maintenance.execute("SELECT pg_advisory_unlock(%s)", (_MIGRATION_LOCK,))
        try:
            yield name
        finally:
            _drop(maintenance, name)


@contextmanager
def cloned_database(servers: Servers, template: str, name: str) -> Iterator[Database]:
    with psycopg.connect(servers.postgres_dsn, autocommit=True) as maintenance:
        maintenance.execute(
            sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(
                sql.Identifier(name), sql.Identifier(template)
            )
        )
        try:
            yield Database(owner_dsn=_with(servers.postgres_dsn, database=name))
        finally:
            _drop(maintenance, name)


def _drop_leftovers(maintenance: psycopg.Connection) -> None:
    """Remove what test runs left that were killed: their process is in the name."""
    rows = maintenance.execute(
        r"SELECT datname FROM pg_database WHERE datname ~ '^lockstep_(template|test)_\d+(_|$)'"
    ).fetchall()
    for (name,) in rows:
        if not Path(f"/proc/{name.split('_')[2]}").exists():
            _drop(maintenance, name)


def _drop(maintenance: psycopg.Connection, name: str) -> None:
    maintenance.execute(
        sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name))
    )


def _with(
    dsn: str, *, database: str | None = None, user: str | None = None, password: str | None = None
) -> str:
    parts = urlsplit(dsn)
    netloc = parts.netloc
    if user is not None:
        netloc = f"{user}:{password}@{parts.netloc.rpartition('@')[2]}"
    return urlunsplit(
        parts._replace(netloc=netloc, path=f"/{database}" if database else parts.path)
    )
