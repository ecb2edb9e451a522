"""Starting, crashing and stopping the servers of one stack, on its own folder and ports."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import psycopg
import pytest

from deploy.local import leftovers

_ROOT = Path(__file__).resolve().parents[3]


class Machine:
    """Runs the command line against one state folder, as a person would.

    Kafka takes longest by far: it stays out, as if it were given, where a test is not about it.
    """

    def __init__(self, state: Path, *, kafka: bool = False) -> None:
        self.state = state
        self.environment = {
            **{k: v for k, v in os.environ.items() if not k.endswith(("_DSN", "_URL", "_SERVERS"))},
            "LOCKSTEP_STATE_DIR": str(state),
            "LOCKSTEP_PORT_BASE": "auto",
        }
        if not kafka:
            self.environment["KAFKA_BOOTSTRAP_SERVERS"] = "elsewhere:9092"

    def do(self, *words: str, **environment: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(  # noqa: S603 (our own command line)
            [sys.executable, "-m", "deploy.local", *words],
            cwd=_ROOT,
            env=self.environment | environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=100,
        )

    def servers(self) -> dict[str, str]:
        done = self.do("servers", "--json")
        assert done.returncode == 0, done.stderr
        addresses: dict[str, str] = json.loads(done.stdout)
        return addresses

    def processes(self) -> list[psutil.Process]:
        return leftovers.of_stack((self.state / "stack.id").read_text())


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    # A space, a percent sign and a folder closed to others: all of them occur.
    state = tmp_path / "a 50% full disk"
    state.mkdir(mode=0o700)
    mine = Machine(state)
    yield mine
    mine.do("clean")


def test_a_second_start_finds_the_same_servers(machine: Machine) -> None:
    first = machine.servers()
    pids = {process.pid for process in machine.processes()}

    second = machine.servers()

    assert second == first
    assert {process.pid for process in machine.processes()} >= pids


def test_what_a_killed_supervisor_left_behind_is_stopped_and_data_survives(
    machine: Machine,
) -> None:
    machine = Machine(machine.state, kafka=True)
    with psycopg.connect(machine.servers()["postgres_dsn"]) as connection:
        connection.execute("CREATE TABLE kept (word text)")
    before = machine.processes()
    assert {"postgres", "java", "redis-server"} <= {process.name() for process in before}
    for process in before:
        if "supervisor.supervisord" in process.cmdline():
            process.kill()

    addresses = machine.servers()

    with psycopg.connect(addresses["postgres_dsn"]) as connection:
        assert connection.execute("SELECT count(*) FROM kept").fetchone() == (0,)
    assert not [process for process in before if process.is_running()]


def test_a_port_in_use_is_one_line_that_names_the_holder_and_the_remedy(machine: Machine) -> None:
    addresses = machine.servers()
    port = addresses["redis_url"].rpartition(":")[2].partition("/")[0]
    other = Machine(machine.state.parent / "other")

    refused = other.do("servers", LOCKSTEP_REDIS_PORT=port)
    other.do("clean")

    assert refused.returncode == 1
    problem = refused.stderr.strip().splitlines()[-1]
    assert f"Port {port} (redis) is already in use by redis-server" in problem
    assert "LOCKSTEP_REDIS_PORT=" in problem
    assert "Traceback" not in refused.stderr


def test_servers_named_in_the_environment_are_not_started(machine: Machine) -> None:
    given = {
        "POSTGRES_DSN": "postgresql://elsewhere/x",
        "REDIS_URL": "redis://elsewhere",
        "KAFKA_BOOTSTRAP_SERVERS": "elsewhere:9092",
    }

    done = machine.do("servers", "--json", **given)

    assert json.loads(done.stdout) == {name.lower(): value for name, value in given.items()}
    assert {process.name() for process in machine.processes()}.isdisjoint(
        {"postgres", "java", "redis-server"}
    )


def test_stopping_leaves_no_process_and_no_file_outside(machine: Machine) -> None:
    machine.servers()

    stopped = machine.do("down")

    assert stopped.returncode == 0
    assert machine.processes() == []
    log = (machine.state / "log" / "postgres.log").read_text()
    assert "not properly shut down" not in log
