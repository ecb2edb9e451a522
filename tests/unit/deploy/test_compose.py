"""docker-compose.yml and the Dockerfile are held against the Compose schema and the settings."""

import importlib
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic_settings import BaseSettings

from libs.brokers.registry import BROKERS, manifest
from libs.trading.accounts import Environment

_ROOT = Path(__file__).resolve().parents[3]
_FILE = _ROOT / "docker-compose.yml"
_SERVERS = {"postgres", "redis", "kafka"}
_APP_WORDS = ("APP_ID", "SECRET_ID", "REDIRECT_URI")


def compose() -> dict[str, Any]:
    read: dict[str, Any] = yaml.safe_load(_FILE.read_text())
    return read


def ours() -> dict[str, Any]:
    return {name: one for name, one in compose()["services"].items() if name not in _SERVERS}


def service_of(definition: dict[str, Any]) -> str | None:
    name: str | None = definition["build"].get("args", {}).get("SERVICE")
    return name


def copied() -> list[str]:
    text = (_ROOT / "deploy" / "Dockerfile").read_text()
    return re.findall(r"^COPY (?!--from)(\S+)", text, re.MULTILINE)


def variables(kind: type[BaseSettings]) -> set[str]:
    prefix = kind.model_config.get("env_prefix", "")
    return {
        str(field.validation_alias or f"{prefix}{name}").upper()
        for name, field in kind.model_fields.items()
    }


def settings_of(service: str) -> type[BaseSettings]:
    module = importlib.import_module(f"services.{service}.settings")
    classes = [
        value
        for value in vars(module).values()
        if isinstance(value, type)
        and issubclass(value, BaseSettings)
        and value.__module__ == module.__name__
        and value.__name__.lower() == f"{service}settings"
    ]
    assert len(classes) == 1
    return classes[0]


def test_the_file_is_valid_compose() -> None:
    done = subprocess.run(  # noqa: S603  # Our own interpreter on our own file.
        [
            sys.executable,
            "-m",
            "check_jsonschema",
            "--builtin-schema",
            "vendor.compose-spec",
            _FILE,
        ],
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stdout


def test_every_service_of_the_house_is_there_and_each_broker_has_its_own() -> None:
    brokers = {name.replace("_", "-") for name in BROKERS}
    expected = {"auth", "signal", "streaming", "web", "migrate"}
    expected |= {f"executor-{b}" for b in brokers} | {f"simulator-{b}" for b in brokers}

    assert set(ours()) == expected


@pytest.mark.parametrize("name", sorted(set(ours()) - {"migrate"}))
def test_a_service_is_told_what_it_reads_and_all_it_needs(name: str) -> None:
    definition = ours()[name]
    service = service_of(definition)
    assert service is not None
    kind = settings_of(service)
    known = variables(kind)
    apps = {f"{broker.upper()}_{word}" for broker in BROKERS for word in _APP_WORDS}
    given = set(definition["environment"])
    if service in {"auth", "simulator"}:
        known |= apps
    required = {
        variable
        for field_name, field in kind.model_fields.items()
        if field.is_required()
        for variable in [
            str(
                field.validation_alias or f"{kind.model_config.get('env_prefix', '')}{field_name}"
            ).upper()
        ]
    }

    assert given <= known
    assert required <= given


@pytest.mark.parametrize("name", sorted(ours()))
def test_containers_have_no_more_rights_than_they_need(name: str) -> None:
    definition = ours()[name]

    assert definition["read_only"] is True
    assert definition["cap_drop"] == ["ALL"]
    assert "container_name" not in definition


def test_executors_can_be_scaled() -> None:
    for name, definition in ours().items():
        if name.startswith("executor-"):
            assert "ports" not in definition


def test_the_image_runs_without_root_and_says_how_it_feels() -> None:
    dockerfile = (_ROOT / "deploy" / "Dockerfile").read_text()

    assert re.search(r"^ARG SERVICE$", dockerfile, re.MULTILINE)
    assert dockerfile.count("USER lockstep") == 2
    assert "HEALTHCHECK" in dockerfile
    assert not re.search(r"(KEY|TOKEN|PASSWORD|SECRET)=", dockerfile)


@pytest.mark.parametrize("path", copied())
def test_what_the_image_copies_exists(path: str) -> None:
    assert (_ROOT / path.replace("${SERVICE}", "auth")).exists()


@pytest.mark.parametrize("broker", BROKERS)
def test_the_simulators_name_is_one_that_paper_accounts_may_reach(broker: str) -> None:
    name = f"simulator-{broker.replace('_', '-')}"

    assert name in ours()
    assert manifest(broker).addresses(Environment.PAPER, f"http://{name}:8000").urls
