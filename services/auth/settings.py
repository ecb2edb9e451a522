"""Everything an operator can change about auth, and the platform's own broker applications."""

from typing import Any

from pydantic import Field, SecretStr, create_model
from pydantic_settings import BaseSettings, SettingsConfigDict

from libs.brokers import registry
from libs.brokers.protocol import PlatformApp
from libs.runtime.problems import Problem
from libs.runtime.settings import (
    SHARED_CONFIG,
    BrokerSettings,
    InternalSettings,
    KafkaSettings,
    LogSettings,
    PostgresSettings,
    RedisSettings,
    SessionKeySettings,
)


class AuthSettings(
    KafkaSettings,
    PostgresSettings,
    RedisSettings,
    InternalSettings,
    SessionKeySettings,
    BrokerSettings,
    LogSettings,
):
    """`sweep_every_s` is how long a session may stand as connected after its end."""

    model_config = SettingsConfigDict(env_prefix="AUTH_", extra="ignore", populate_by_name=True)

    host: str = "127.0.0.1"
    port: int = Field(default=8101, gt=0, lt=65536)
    encryption_key: SecretStr = Field(validation_alias="ENCRYPTION_KEY")
    sweep_every_s: float = Field(default=15, gt=0)


def _app_fields() -> dict[str, Any]:
    fields: dict[str, Any] = {}
    for broker in registry.BROKERS:
        fields[f"{broker}_app_id"] = (str, "")
        fields[f"{broker}_secret_id"] = (SecretStr, SecretStr(""))
        fields[f"{broker}_redirect_uri"] = (str, "")
    return fields


class _Apps(BaseSettings):
    model_config = SHARED_CONFIG


# <BROKER>_APP_ID, <BROKER>_SECRET_ID and <BROKER>_REDIRECT_URI of every registered broker.
PlatformAppSettings = create_model("PlatformAppSettings", __base__=_Apps, **_app_fields())


class PlatformApps:
    """The applications brokers know this platform by; an account's own wins over them."""

    def __init__(self, settings: BaseSettings) -> None:
        self._settings = settings

    def app(self, broker: str) -> PlatformApp:
        """Raise `Problem` (503) that names the missing settings."""
        app_id, secret = self._value(broker, "app_id"), self._value(broker, "secret_id")
        if not app_id or not secret:
            raise _not_configured(f"{broker.upper()}_APP_ID and {broker.upper()}_SECRET_ID")
        return PlatformApp(app_id=app_id, secret=secret, redirect_uri=self.redirect_uri(broker))

    def redirect_uri(self, broker: str) -> str:
        """Raise `Problem` (503) that names the missing setting."""
        uri = self._value(broker, "redirect_uri")
        if not uri:
            raise _not_configured(f"{broker.upper()}_REDIRECT_URI")
        return uri

    def _value(self, broker: str, name: str) -> str:
        value = getattr(self._settings, f"{broker}_{name}")
        return value.get_secret_value() if isinstance(value, SecretStr) else str(value)


def _not_configured(names: str) -> Problem:
    message = f"This platform has no application at that broker. Set {names}, restart auth."
    return Problem(503, "BROKER_NOT_CONFIGURED", message)
