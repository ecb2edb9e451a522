"""What a person set for this stack: the environment, then `.env`; kept for later commands."""

import json
import os
from collections.abc import Mapping
from pathlib import Path

from dotenv import dotenv_values

from deploy.local.layout import ROOT, clean_environment, state_dir
from libs.brokers.registry import BROKERS

_FILE = "environment.json"
_PREFIXES = (
    *("LOCKSTEP_", "AUTH_", "SIGNAL_", "EXECUTOR_", "STREAMING_", "SIMULATOR_", "WEB_", "LOG_"),
    *(f"{broker.upper()}_" for broker in BROKERS),
)
_NAMES = (
    *("POSTGRES_DSN", "REDIS_URL", "KAFKA_BOOTSTRAP_SERVERS", "POSTGRES_SERVICE_PASSWORD"),
    *("INTERNAL_SERVICE_TOKEN", "ENCRYPTION_KEY", "SESSION_ENCRYPTION_KEY", "ORDER_TAG_KEY"),
    *("POSTGRES_POOL_MAX", "XDG_CACHE_HOME"),
)


def given() -> dict[str, str]:
    """Merge `.env` at the top of the checkout below the environment; what is not ours stays out."""
    from_file = {key: value for key, value in dotenv_values(ROOT / ".env").items() if value}
    merged = from_file | dict(os.environ)
    ours = {k: v for k, v in merged.items() if k.startswith(_PREFIXES) or k in _NAMES}
    return clean_environment() | ours


def kept(environment: Mapping[str, str]) -> dict[str, str]:
    """Return what the running stack was started with: `scale` shall not bring other keys along."""
    file = state_dir(environment) / _FILE
    if not file.exists():
        return dict(environment)
    stored: dict[str, str] = json.loads(file.read_text())
    return stored


def keep(environment: Mapping[str, str], state: Path) -> None:
    scratch = state / f"{_FILE}.new"
    with os.fdopen(os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as out:
        json.dump({**environment, "LOCKSTEP_STATE_DIR": str(state)}, out)
    scratch.replace(state / _FILE)
