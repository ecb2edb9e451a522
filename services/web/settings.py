"""Everything an operator can change about the edge."""

from pathlib import Path
from typing import Literal

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from libs.brokers.registry import BROKERS
from libs.runtime.settings import LogSettings

EXECUTOR_PORT = 8110
REPLICAS_MAX = 8
DIST = Path(__file__).parent / "dist"


def local_executors() -> dict[str, list[str]]:
    """Name the local ports of every broker's executors: eight replicas each, brokers ten apart."""
    return {
        broker: [f"http://127.0.0.1:{EXECUTOR_PORT + 10 * index + n}" for n in range(REPLICAS_MAX)]
        for index, broker in enumerate(BROKERS)
    }


class WebSettings(LogSettings):
    """Upstream addresses carry no path. `public_url` is how browsers reach this edge."""

    model_config = SettingsConfigDict(env_prefix="WEB_", extra="ignore", populate_by_name=True)

    host: str = "127.0.0.1"
    port: int = Field(default=8080, ge=1, le=65535)
    auth_url: str = "http://127.0.0.1:8101"
    signal_url: str = "http://127.0.0.1:8102"
    streaming_url: str = "http://127.0.0.1:8103"
    executor_urls: dict[str, list[str]] = Field(default_factory=dict)
    static_dir: Path = DIST
    public_url: str = ""
    connect_timeout_s: float = Field(default=2, gt=0)
    answer_timeout_s: float = Field(default=30, gt=0)
    body_bytes_max: int = Field(default=1_048_576, gt=0)
    connections_max: int = Field(default=512, gt=0)
    environment_name: Literal["production", "local"] = Field(
        default="production", validation_alias="LOCKSTEP_ENV"
    )

    def executors(self) -> dict[str, list[str]]:
        """Addresses by broker: those given, and the local ports of every broker not named."""
        return local_executors() | self.executor_urls
