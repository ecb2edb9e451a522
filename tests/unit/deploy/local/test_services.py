"""What each service is told, and above all what it is not told."""

import json
from pathlib import Path

import pytest
from rich.console import Console

from deploy.local.keys import keys_of
from deploy.local.layout import layout_of
from deploy.local.program import Program, Tier
from deploy.local.screen import Screen
from deploy.local.servers import Addresses
from deploy.local.services import Services, executor_name
from deploy.local.stack import Stack
from deploy.local.supervision import Supervisor
from libs.brokers.registry import BROKERS

BROKER = BROKERS[0]
_ADDRESSES = Addresses(
    postgres_dsn="postgresql://owner:owners-word@127.0.0.1:5518/lockstep",
    redis_url="redis://127.0.0.1:6481/0",
    kafka_bootstrap_servers="127.0.0.1:9192",
)


def programs(state: Path, **environment: str) -> dict[str, Program]:
    given = {"LOCKSTEP_STATE_DIR": str(state), "PATH": "/bin", **environment}
    stack = Stack(
        layout=layout_of(given),
        keys=keys_of(state, given),
        supervisor=Supervisor(state, "0" * 32),
        environment=given,
        screen=Screen(Console(quiet=True)),
    )
    made = Services(stack, "python", _ADDRESSES).all({BROKER: 2}, application=True)
    return {program.name: program for program in made}


def test_only_auth_gets_the_key_of_login_secrets(tmp_path: Path) -> None:
    made = programs(tmp_path)

    holders = {name for name, one in made.items() if "ENCRYPTION_KEY" in one.environment}

    assert holders == {"auth"}


def test_session_keys_go_to_those_who_open_sessions(tmp_path: Path) -> None:
    made = programs(tmp_path)

    holders = {name for name, one in made.items() if "SESSION_ENCRYPTION_KEY" in one.environment}

    assert holders == {"auth", "streaming", executor_name(BROKER, 0), executor_name(BROKER, 1)}


@pytest.mark.parametrize("service", ["auth", "signal", "streaming"])
def test_a_service_gets_its_own_role_and_never_the_owners_word(
    tmp_path: Path, service: str
) -> None:
    told = programs(tmp_path)[service].environment

    assert told["POSTGRES_DSN"].startswith(f"postgresql://lockstep_{service}:")
    assert "owners-word" not in json.dumps(dict(told))


def test_the_edge_and_the_simulator_get_no_database(tmp_path: Path) -> None:
    made = programs(tmp_path)

    for name in ("web", f"simulator-{BROKER.replace('_', '-')}"):
        assert "POSTGRES_DSN" not in made[name].environment
        assert "INTERNAL_SERVICE_TOKEN" not in made[name].environment


def test_each_executor_has_a_port_of_its_own_and_the_edge_knows_all_of_them(
    tmp_path: Path,
) -> None:
    made = programs(tmp_path)

    ports = [made[executor_name(BROKER, n)].environment["EXECUTOR_PORT"] for n in (0, 1)]
    known = json.loads(made["web"].environment["WEB_EXECUTOR_URLS"])[BROKER]

    assert ports == ["8110", "8111"]
    assert len(known) == 8
    assert known[:2] == ["http://127.0.0.1:8110", "http://127.0.0.1:8111"]


def test_a_setting_reaches_the_service_whose_prefix_it_carries(tmp_path: Path) -> None:
    made = programs(tmp_path, EXECUTOR_EVIDENCE_WINDOW_S="3", LOG_LEVEL="DEBUG")

    holders = {n for n, one in made.items() if "EXECUTOR_EVIDENCE_WINDOW_S" in one.environment}

    assert holders == {executor_name(BROKER, 0), executor_name(BROKER, 1)}
    assert {one.environment["LOG_LEVEL"] for one in made.values()} == {"DEBUG"}


def test_the_brokers_app_of_the_environment_wins(tmp_path: Path) -> None:
    name = f"{BROKER.upper()}_APP_ID"

    told = programs(tmp_path, **{name: "MY-APP"})["auth"].environment

    assert told[name] == "MY-APP"
    assert told[f"{BROKER.upper()}_REDIRECT_URI"].startswith("http://127.0.0.1:8080/")


def test_the_edge_stops_first_and_simulators_outlive_services(tmp_path: Path) -> None:
    made = programs(tmp_path)

    assert max(made.values(), key=lambda one: one.tier).name == "web"
    assert made[f"simulator-{BROKER.replace('_', '-')}"].tier < Tier.SERVICE
