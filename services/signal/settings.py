"""Everything an operator can change about the signal service."""

from pydantic import Field, SecretStr
from pydantic_settings import SettingsConfigDict

from libs.runtime.settings import (
    InternalSettings,
    KafkaSettings,
    LogSettings,
    PostgresSettings,
    RedisSettings,
)


class SignalSettings(KafkaSettings, PostgresSettings, RedisSettings, InternalSettings, LogSettings):
    model_config = SettingsConfigDict(env_prefix="SIGNAL_", extra="ignore", populate_by_name=True)

    host: str = "127.0.0.1"
    port: int = Field(default=8102, ge=1, le=65535)
    # Outbox rows beyond which new entries are refused until the bus has caught up.
    backlog_max: int = Field(default=10_000, ge=1)
    # How far back the copy reports reach; the order ledger keeps everything.
    report_days: int = Field(default=400, ge=1, le=4_000)
    # Tells our own orders from a master's: the executors' key, hex.
    order_tag_key: SecretStr = Field(validation_alias="ORDER_TAG_KEY")
