"""Everything an operator can change about a simulator."""

from pathlib import Path
from typing import Any

from pydantic import Field, SecretStr, create_model, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from libs.brokers import registry
from libs.runtime.settings import SHARED_CONFIG, LogSettings


class SimulatorSettings(LogSettings):
    """`port` 0 is the manifest's. `control_token` opens `/_control` to other machines."""

    model_config = SettingsConfigDict(
        env_prefix="SIMULATOR_", extra="ignore", populate_by_name=True
    )

    broker: str
    host: str = "127.0.0.1"
    port: int = Field(default=0, ge=0, le=65535)
    state_dir: Path
    control_token: SecretStr | None = None
    limits_enabled: bool = True

    @field_validator("broker")
    @classmethod
    def _registered(cls, broker: str) -> str:
        if broker not in registry.BROKERS:
            raise ValueError(f"there are: {', '.join(registry.BROKERS)}")
        return broker

    @property
    def listening_port(self) -> int:
        return self.port or registry.manifest(self.broker).simulator_port


class _Apps(BaseSettings):
    model_config = SHARED_CONFIG


def _app_fields() -> dict[str, Any]:
    fields: dict[str, Any] = {}
    for broker in registry.BROKERS:
        fields[f"{broker}_app_id"] = (str, "")
        fields[f"{broker}_secret_id"] = (SecretStr, SecretStr(""))
    return fields


# <BROKER>_APP_ID and <BROKER>_SECRET_ID: the same names by which auth knows its broker apps.
SimulatedAppSettings = create_model("SimulatedAppSettings", __base__=_Apps, **_app_fields())


def app_options(apps: BaseSettings, broker: str) -> dict[str, str]:
    """Give the simulator's options for its app; what is not set is left to its own default."""
    secret: SecretStr = getattr(apps, f"{broker}_secret_id")
    given = {
        "app_id": getattr(apps, f"{broker}_app_id"),
        "app_secret": secret.get_secret_value(),
    }
    return {name: value for name, value in given.items() if value}
