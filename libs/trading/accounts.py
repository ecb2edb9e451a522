"""A broker account as the services need to know it: never a credential, never a token."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum


class Environment(StrEnum):
    """Fixed when an account connects; paper and live never mix."""

    PAPER = "PAPER"
    LIVE = "LIVE"


class Regime(StrEnum):
    """By what right orders of this account may be sent by software (India, since April 2026)."""

    PAPER = "PAPER"
    SELF = "SELF"
    FAMILY = "FAMILY"
    EMPANELLED = "EMPANELLED"
    USER_APPROVED = "USER_APPROVED"


class AccountKind(StrEnum):
    """Whose account it is; `CLIENT` and `TRADER` are the path words of the connection API."""

    CLIENT = "CLIENT"
    TRADER = "TRADER"


class SessionState(StrEnum):
    CONNECTED = "CONNECTED"
    EXPIRED = "EXPIRED"
    ERROR = "ERROR"
    DISCONNECTED = "DISCONNECTED"


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """The whole public state of one broker account; `version` grows with every change.

    What the law asks of a live account is here as long as its evidence is good: `regime` (PAPER
    without), `egress`, the profile its order writes leave by (None for the machine's own address),
    `algo_id` for every strategy, and `strategy_algo_ids` for those that have one of their own.
    `orders_per_second_max` is a lower limit the owner chose, None for the manifest's.
    """

    account_id: str
    user_id: str
    broker: str
    kind: AccountKind
    version: int
    session_state: SessionState
    environment: Environment
    regime: Regime
    broker_client_id: str
    session_expires_at: datetime | None = None
    egress: str | None = None
    algo_id: str | None = None
    orders_per_second_max: int | None = None
    consent_version: int | None = None
    strategy_algo_ids: dict[str, str] = field(default_factory=dict, hash=False)

    def algo_id_of(self, strategy_id: str) -> str | None:
        """Name the algo id that orders of this strategy carry here; None if there is none."""
        return self.strategy_algo_ids.get(strategy_id, self.algo_id)
