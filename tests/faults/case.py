"""What a row leaves for the judge: the simulator's journal and books, our ledger beside them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

WORKING = frozenset({"ACKED", "OPEN", "PARTIAL"})
OVER = frozenset({"SKIPPED", "FILLED", "CANCELLED", "REJECTED", "LAPSED"})
APART = frozenset({"NOT_PLACED", "NEEDS_ATTENTION"})
AT_BROKER = WORKING | {"FILLED", "CANCELLED", "REJECTED", "LAPSED"}
ORDER_WRITES = frozenset({"place", "modify", "cancel"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Emitted:
    """A signal that was answered with 202, and the accounts that followed at that moment."""

    signal_id: str
    action: str
    instrument: str
    eligible: Sequence[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """One request as the simulator took it. `ns` is the machine's monotonic clock."""

    n: int
    at: datetime
    ns: int
    operation: str
    client_id: str | None
    tag: str | None
    segment: str
    status: int
    order_id: str | None
    answered: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Created:
    """One order that the simulator created, and how its book has it now."""

    n: int
    order_id: str
    tag: str | None
    client_id: str
    at: datetime
    instrument: str
    side: str
    status: str
    filled_quantity: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Ours:
    """One follower order as our ledger has it."""

    order_id: str
    signal_id: str
    account_id: str
    leg: int
    issue: int
    tag: str
    action: str
    side: str
    state: str
    reason: str | None
    version: int
    broker_order_id: str | None
    filled_quantity: int
    accepted_at: datetime
    expires_at: datetime
    deadline: datetime | None
    changed_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One line of an order's history. `committed_at` is the commit's own time."""

    order_id: str
    version: int
    state: str
    at: datetime
    committed_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Alarm:
    schema: str
    name: str
    subject: str
    opened_at: datetime
    cleared_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """An alarm that a fault must raise. `clears` False: a person ends it, or its row says why."""

    names: Sequence[str]
    since: datetime
    clears: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    now: datetime
    signals: Sequence[Emitted]
    signal_rows: Mapping[str, int]
    orders: Sequence[Ours]
    history: Sequence[Step]
    arrivals: Sequence[Arrival]
    created: Sequence[Created]
    alarms: Sequence[Alarm]
    expected: Sequence[Expected]
    # Net quantity by (account, instrument): what the books have gained, what our fills say.
    net_books: Mapping[tuple[str, str], int]
    net_ours: Mapping[tuple[str, str], int]
    # Orders that the accounts' owners placed themselves.
    foreign: frozenset[str] = frozenset()
    unwritten_alarms: frozenset[str] = frozenset()
    leaked: Sequence[str] = ()
    chain: Sequence[str] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)
