"""Everything an operator can change about an executor."""

from datetime import time
from decimal import Decimal

from pydantic import Field, SecretStr
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
from services.executor.market import PaperMarket


class ExecutorSettings(
    KafkaSettings,
    PostgresSettings,
    RedisSettings,
    InternalSettings,
    SessionKeySettings,
    BrokerSettings,
    LogSettings,
):
    """`evidence_window_s` is how long an absent order is looked for before it counts as not placed.

    Brokers were seen to show an order 83 s after they took it, so 120 is the least for live money.
    """

    model_config = SettingsConfigDict(env_prefix="EXECUTOR_", extra="ignore", populate_by_name=True)

    broker: str
    host: str = "127.0.0.1"
    port: int = Field(default=8110, gt=0, lt=65536)
    order_tag_key: SecretStr = Field(validation_alias="ORDER_TAG_KEY")
    evidence_window_s: float = Field(default=120, gt=0)
    answer_timeout_s: float = Field(default=10, gt=0)
    lost_answer_grace_s: float = Field(default=5, gt=0)
    working_check_s: float = Field(default=60, gt=0)
    position_check_s: float = Field(default=120, gt=0)
    # How often money and positions are read of accounts whose rules ask for them.
    balances_every_s: float = Field(default=60, gt=0)
    chain_every_s: float = Field(default=5, gt=0)
    seal_at_ist: time = time(23, 57)
    seal_check_s: float = Field(default=30, gt=0)
    seal_patience_s: float = Field(default=900, ge=0)
    second_person_above_rupees: Decimal = Field(default=Decimal(200_000), ge=0)
    reissue_lives_s: float = Field(default=60, gt=0)
    lease_s: float = Field(default=6, gt=1)
    sweep_every_s: float = Field(default=1, gt=0)
    in_flight_max: int = Field(default=1000, gt=0)
    planning_chunk: int = Field(default=200, gt=0)
    claim_chunk: int = Field(default=100, gt=0)
    attempts_max: int = Field(default=3, gt=0)
    # The paper exchange never closes; `hours` makes paper accounts keep the real hours.
    paper_market: PaperMarket = PaperMarket.OPEN
    # How long an alarm stands about something that happened once.
    alarm_lasts_s: float = Field(default=20, gt=0)
    clock_every_s: float = Field(default=10, gt=0)
    breaker_failures_max: int = Field(default=5, gt=0)
    breaker_cooldown_s: float = Field(default=1, gt=0)
    # Beyond this many waiting, entries are left out, then modifications.
    waiting_max: int = Field(default=20_000, gt=0)
