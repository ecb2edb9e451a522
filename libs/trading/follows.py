"""Who follows which strategy with which rules, and from which signal to which."""

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum


class SizingMode(StrEnum):
    MULTIPLIER = "MULTIPLIER"
    FIXED_QUANTITY = "FIXED_QUANTITY"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizing:
    """How a follower's quantity comes from the master's. `value` is the factor or the quantity."""

    mode: SizingMode
    value: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Follow:
    """One follow, whole. It covers exactly the signals with from_seq < seq <= until_seq.

    `until_seq` is None while the follow runs. `paused` stops entries only; exits, modifications
    and cancels still flow. `version` grows with every change.
    """

    follow_id: str
    strategy_id: str
    master_id: str
    user_id: str
    account_id: str
    broker: str
    sizing: Sizing
    from_seq: int
    version: int
    until_seq: int | None = None
    paused: bool = False

    def covers(self, seq: int) -> bool:
        return self.from_seq < seq and (self.until_seq is None or seq <= self.until_seq)
