"""What the reports' queries hand out: one copied order, totals, latencies, slippage."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class CopiedOrder:
    """One follower order beside what its master asked for.

    `master_price` is the master's limit price in force; for an order without one what the master's
    own order got, where capture saw it, else None. A positive `slippage_bp` is worse than it.
    """

    order_id: str
    signal_id: str
    seq: int | None
    account_id: str
    broker: str
    environment: str
    action: str
    instrument: str
    side: str
    product: str
    order_type: str
    quantity: int
    limit_price: Decimal | None
    trigger_price: Decimal | None
    state: str
    reason: str | None
    message: str
    figures: dict[str, str]
    filled_quantity: int
    average_price: Decimal | None
    master_price: Decimal | None
    slippage_bp: Decimal | None
    broker_event_at: datetime | None
    accepted_at: datetime
    published_at: datetime | None
    planned_at: datetime
    sent_at: datetime | None
    acknowledged_at: datetime | None
    filled_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """Orders by where they are; each stands in exactly one of the last ten counts."""

    followers: int = 0
    planned: int = 0
    sent: int = 0
    acknowledged: int = 0
    copied_quantity: int = 0
    filled: int = 0
    rejected: int = 0
    cancelled: int = 0
    lapsed: int = 0
    not_placed: int = 0
    attention: int = 0
    working: int = 0
    waiting: int = 0
    in_doubt: int = 0
    skipped: int = 0
    skipped_by_reason: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Latency:
    """How long one stage took, in milliseconds, over the orders that went through it."""

    stage: str
    orders: int
    p50_ms: float
    p90_ms: float
    p99_ms: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Slippage:
    """Basis points against the master's price; `mean` is weighted by quantity. None: no fill."""

    orders: int
    mean: Decimal | None = None
    p50: Decimal | None = None
    p90: Decimal | None = None
    p99: Decimal | None = None
    worst: Decimal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What is said about many orders at once."""

    totals: Totals
    latencies: list[Latency]
    slippage: Slippage
