"""Who follows which strategy with which rules, and from which signal to which."""

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from libs.trading.limits import NO_LIMITS, Limits


class SizingMode(StrEnum):
    MULTIPLIER = "MULTIPLIER"
    FIXED_QUANTITY = "FIXED_QUANTITY"
    FIXED_VALUE = "FIXED_VALUE"
    FUNDS_SHARE = "FUNDS_SHARE"
    EQUITY_PROPORTIONAL = "EQUITY_PROPORTIONAL"


class WhenSmall(StrEnum):
    """What becomes of a share that is less than one lot."""

    SKIP = "SKIP"
    ONE_LOT = "ONE_LOT"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizing:
    """How a follower's quantity comes about; libs/trading/sizing.py works it out.

    `value` is the factor of MULTIPLIER and EQUITY_PROPORTIONAL, the shares or contracts of
    FIXED_QUANTITY, the rupees per order of FIXED_VALUE, the percent of the available funds of
    FUNDS_SHARE.
    """

    mode: SizingMode
    value: Decimal
    when_small: WhenSmall = WhenSmall.SKIP


@dataclass(frozen=True, slots=True, kw_only=True)
class Follow:
    """One follow, whole. It covers exactly the signals with from_seq < seq <= until_seq.

    `until_seq` is None while the follow runs. `paused` stops entries only; exits, modifications
    and cancels still flow; so do they whatever the `limits`. `version` grows with every change.
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
    limits: Limits = NO_LIMITS

    def covers(self, seq: int) -> bool:
        return self.from_seq < seq and (self.until_seq is None or seq <= self.until_seq)
