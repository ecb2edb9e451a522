"""`.env.example` is held against the settings classes and the local stack's own settings."""

import importlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined
from pydantic_settings import BaseSettings

_ROOT = Path(__file__).resolve().parents[3]
_MODULES = (
    "libs.runtime.settings",
    "libs.runtime.migrate",
    *(
        f"services.{path.parent.name}.settings"
        for path in sorted(_ROOT.glob("services/*/settings.py"))
    ),
)
# What a person would write, where the default is computed or an example helps more.
_EXAMPLES = {"POSTGRES_DSN", "EXECUTOR_BROKER", "SIMULATOR_BROKER", "SIMULATOR_STATE_DIR"}


def _settings_classes(base: type[BaseSettings]) -> Iterator[type[BaseSettings]]:
    for kind in base.__subclasses__():
        if kind.__module__.startswith(("libs.", "services.")):
            yield kind
        yield from _settings_classes(kind)


def _fields() -> dict[str, FieldInfo]:
    for module in _MODULES:
        importlib.import_module(module)
    return {
        _variable(kind, name, field): field
        for kind in _settings_classes(BaseSettings)
        for name, field in kind.model_fields.items()
    }


def _variable(kind: type[BaseSettings], name: str, field: FieldInfo) -> str:
    alias = field.validation_alias
    return (str(alias) if alias else f"{kind.model_config.get('env_prefix', '')}{name}").upper()


def _written() -> dict[str, str]:
    lines = (_ROOT / ".env.example").read_text().splitlines()
    found = [re.fullmatch(r"#?([A-Z][A-Z0-9_]*)=(.*)", line) for line in lines]
    return {match[1]: match[2] for match in found if match}


def _local_names() -> set[str]:
    sources = [*(_ROOT / "deploy").rglob("*.py"), _ROOT / "tests" / "servers.py"]
    text = "".join(path.read_text() for path in sources)
    # Not for people: the mark in the environment of a stack's processes.
    return set(re.findall(r'"(LOCKSTEP_[A-Z_]*[A-Z])"', text)) - {"LOCKSTEP_STACK"}


def _compose_names() -> set[str]:
    return set(re.findall(r"\$\{([A-Z_]+)", (_ROOT / "docker-compose.yml").read_text()))


def test_every_setting_stands_in_the_example_and_nothing_else_does() -> None:
    assert set(_written()) == set(_fields()) | _local_names() | _compose_names()


@pytest.mark.parametrize("name", sorted(set(_fields()) - _EXAMPLES))
def test_the_written_default_is_the_real_one(name: str) -> None:
    default: Any = _fields()[name].default

    written = _written()[name]

    if default is PydanticUndefined or default is None:
        assert written in ("", "{}")
    elif isinstance(default, SecretStr):
        assert written == default.get_secret_value()
    elif isinstance(default, Path):
        assert _ROOT / written == default
    elif isinstance(default, bool):
        assert written == str(default).lower()
    else:
        assert written == (f"{default:g}" if isinstance(default, float) else str(default))
