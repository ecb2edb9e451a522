"""The secrets of one stack: made once into `keys.json` (0600); what the environment gives, wins."""

import base64
import json
import os
import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

_SETTINGS = {
    "internal_service_token": "INTERNAL_SERVICE_TOKEN",
    "encryption_key": "ENCRYPTION_KEY",
    "session_encryption_key": "SESSION_ENCRYPTION_KEY",
    "order_tag_key": "ORDER_TAG_KEY",
    "simulator_control_token": "SIMULATOR_CONTROL_TOKEN",
    "service_password": "POSTGRES_SERVICE_PASSWORD",
}


def _word() -> str:
    return secrets.token_hex(24)


def _fernet_key() -> str:
    return base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()


@dataclass(frozen=True, slots=True, kw_only=True)
class Keys:
    postgres_password: str = field(default_factory=_word, repr=False)
    service_password: str = field(default_factory=_word, repr=False)
    redis_password: str = field(default_factory=_word, repr=False)
    internal_service_token: str = field(default_factory=_word, repr=False)
    encryption_key: str = field(default_factory=_fernet_key, repr=False)
    session_encryption_key: str = field(default_factory=_fernet_key, repr=False)
    order_tag_key: str = field(default_factory=lambda: secrets.token_hex(32), repr=False)
    simulator_control_token: str = field(default_factory=_word, repr=False)
    app_secret: str = field(default_factory=_word, repr=False)


def keys_of(state: Path, environment: Mapping[str, str]) -> Keys:
    """Read the stack's keys, or make them the first time."""
    file = state / "keys.json"
    stored = json.loads(file.read_text()) if file.exists() else {}
    made = Keys(**{name: value for name, value in stored.items() if name in Keys.__slots__})
    if stored != asdict(made):
        _write(file, asdict(made))
    given = {name: environment[var] for name, var in _SETTINGS.items() if environment.get(var)}
    return Keys(**(asdict(made) | given))


def _write(file: Path, values: Mapping[str, str]) -> None:
    # Whole or not at all: a key that was lost half-way locks every stored credential.
    scratch = file.with_suffix(".new")
    with os.fdopen(os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as out:
        json.dump(dict(values), out, indent=2)
        out.flush()
        os.fsync(out.fileno())
    scratch.replace(file)
