"""Settings groups shared by services, under names without prefix, and how they are read."""

from typing import Literal, TypeVar

from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

# `populate_by_name` lets tests spell the field; the environment uses the alias.
SHARED_CONFIG = SettingsConfigDict(extra="ignore", populate_by_name=True)

S = TypeVar("S", bound=BaseSettings)


class WrongSettings(Exception):
    """One line per variable: which one, what is wrong with it."""


def read_settings(kind: type[S]) -> S:
    """Read a settings class from the environment; `WrongSettings` names variables, never values."""
    try:
        return kind()
    except ValidationError as error:
        lines = [
            f"{_variable(kind, item['loc'])}: {item['msg']}"
            for item in error.errors(include_input=False, include_url=False)
        ]
        raise WrongSettings("\n".join(lines)) from None


def _variable(kind: type[BaseSettings], location: tuple[int | str, ...]) -> str:
    name = str(location[0]) if location else kind.__name__
    prefix = kind.model_config.get("env_prefix", "")
    return (f"{prefix}{name}" if name in kind.model_fields else name).upper()


class KafkaSettings(BaseSettings):
    model_config = SHARED_CONFIG

    kafka_bootstrap_servers: str = Field(
        default="localhost:9092", validation_alias="KAFKA_BOOTSTRAP_SERVERS"
    )


class PostgresSettings(BaseSettings):
    model_config = SHARED_CONFIG

    postgres_dsn: SecretStr = Field(validation_alias="POSTGRES_DSN")
    postgres_pool_max: int = Field(default=10, ge=1, le=200, validation_alias="POSTGRES_POOL_MAX")


class RedisSettings(BaseSettings):
    model_config = SHARED_CONFIG

    redis_url: str = Field(default="redis://localhost:6379/0", validation_alias="REDIS_URL")


class InternalSettings(BaseSettings):
    """How services speak to each other, and whether this is a demo machine."""

    model_config = SHARED_CONFIG

    auth_url: str = Field(default="http://127.0.0.1:8101", validation_alias="AUTH_URL")
    internal_service_token: SecretStr = Field(
        min_length=16, validation_alias="INTERNAL_SERVICE_TOKEN"
    )
    environment_name: Literal["production", "local"] = Field(
        default="production", validation_alias="LOCKSTEP_ENV"
    )


class LogSettings(BaseSettings):
    model_config = SHARED_CONFIG

    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        default="INFO", validation_alias="LOG_LEVEL"
    )
    log_format: Literal["json", "console"] = Field(default="json", validation_alias="LOG_FORMAT")


class SessionKeySettings(BaseSettings):
    model_config = SHARED_CONFIG

    session_encryption_key: SecretStr = Field(validation_alias="SESSION_ENCRYPTION_KEY")


class BrokerSettings(BaseSettings):
    """Where the simulators of paper accounts are; a broker not named is at its manifest's port."""

    model_config = SHARED_CONFIG

    simulator_urls: dict[str, str] = Field(default_factory=dict, validation_alias="SIMULATOR_URLS")
    simulator_public_urls: dict[str, str] = Field(
        default_factory=dict, validation_alias="SIMULATOR_PUBLIC_URLS"
    )

    def simulator_url(self, broker: str) -> str | None:
        return self.simulator_urls.get(broker)

    def simulator_public_url(self, broker: str) -> str | None:
        """Tell where a person's browser finds the simulator's login page."""
        return self.simulator_public_urls.get(broker) or self.simulator_url(broker)
