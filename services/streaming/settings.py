"""Everything an operator can change about the streaming service."""

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from libs.runtime.settings import (
    BrokerSettings,
    InternalSettings,
    KafkaSettings,
    LogSettings,
    PostgresSettings,
    RedisSettings,
    SessionKeySettings,
)


class StreamingSettings(
    KafkaSettings,
    PostgresSettings,
    RedisSettings,
    InternalSettings,
    SessionKeySettings,
    BrokerSettings,
    LogSettings,
):
    model_config = SettingsConfigDict(
        env_prefix="STREAMING_", extra="ignore", populate_by_name=True
    )

    host: str = "127.0.0.1"
    port: int = Field(default=8103, ge=1, le=65535)
    # Towards brokers, for each of them.
    connects_at_once: int = Field(default=20, ge=1, le=1_000)
    book_reads_at_once: int = Field(default=16, ge=1, le=1_000)
    # How often an order book is read unasked: with working orders, and without.
    book_reread_s: float = Field(default=60, ge=5)
    book_reread_idle_s: float = Field(default=300, ge=5)
    down_alarm_after_s: float = Field(default=15, gt=0)
    # Towards clients.
    sockets_max: int = Field(default=5_000, ge=1)
    sockets_per_user_max: int = Field(default=20, ge=1)
    socket_frames_max: int = Field(default=256, ge=8)
