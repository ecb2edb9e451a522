"""What a row of the ledger is in memory, and the changes the pure core asks for."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

import asyncpg

from libs.trading.accounts import Environment
from libs.trading.events import UpdateSource
from libs.trading.market import RequestKind
from libs.trading.orders import (
    OrderIntent,
    OrderReport,
    OrderTerms,
    OrderType,
    Product,
    Side,
    Validity,
)
from libs.trading.signals import Signal, SignalAction
from libs.trading.states import OrderState

# Later than this after its commit nothing is written any more: the order may have gone stale.
WRITE_WITHIN_S = 1.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Holding:
    """The leases under which this replica may claim: shard -> epoch."""

    owner: str
    epochs: dict[int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Leaving:
    """One request that wants to leave, as far as it matters whether it may."""

    account_id: str
    environment: Environment
    instrument: str
    kind: RequestKind
    order_type: OrderType
    validity: Validity
    expires_at: datetime

    @property
    def urgent(self) -> bool:
        """Whether it reduces risk: such requests go first and are held up by less."""
        return self.kind in {RequestKind.EXIT, RequestKind.CANCEL}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Shape:
    """What new orders of one signal have in common: a thousand followers share a few of these.

    A SKIPPED one carries its reason, in words and figures.
    """

    signal: Signal
    product: Product
    environment: Environment
    side: Side
    terms: OrderTerms
    algo_id: str | None
    request_hash: bytes
    state: OrderState = OrderState.PLANNED
    reason: str | None = None
    message: str = ""
    figures: Mapping[str, str] | None = None

    @property
    def kind(self) -> RequestKind:
        return RequestKind.EXIT if self.signal.action is SignalAction.EXIT else RequestKind.ENTRY


class PlannedOrder(NamedTuple):
    """One new order of one follower, before it is written: names, and a shape.

    `leg` counts the orders that one decision was cut into.
    """

    order_id: str
    client_order_id: str
    account_id: str
    shard: int
    follow_id: str
    user_id: str
    leg: int
    shape: Shape

    @property
    def leaving(self) -> Leaving:
        shape = self.shape
        return Leaving(
            account_id=self.account_id,
            environment=shape.environment,
            instrument=shape.signal.instrument,
            kind=shape.kind,
            order_type=shape.terms.order_type,
            validity=shape.signal.validity,
            expires_at=shape.signal.expires_at,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Due:
    """An order or a command whose turn may have come. `command` is its number, 0 for the order."""

    order_id: str
    version: int
    leaving: Leaving
    command: int = 0


_KINDS = {"PLACE": RequestKind.ENTRY, "EXIT": RequestKind.EXIT}


def terms_of(row: asyncpg.Record) -> OrderTerms:
    """Read a row that carries the columns of an order's terms."""
    return OrderTerms(
        order_type=OrderType(row["order_type"]),
        quantity=row["quantity"],
        limit_price=row["limit_price"],
        trigger_price=row["trigger_price"],
    )


def leaving_of(row: asyncpg.Record) -> Leaving:
    """Read a row that carries an order's columns; `kind` is its action or that of a command."""
    return Leaving(
        account_id=row["account_id"],
        environment=Environment(row["environment"]),
        instrument=row["instrument"],
        kind=_KINDS.get(row["kind"]) or RequestKind(row["kind"]),
        order_type=OrderType(row["order_type"]),
        validity=Validity(row["validity"]),
        expires_at=row["expires_at"],
    )


def by_kind(due: Iterable[Due]) -> list[list[Due]]:
    """Group by what one statement claims, the ways out first: changes, exits, entries."""
    groups: tuple[list[Due], list[Due], list[Due]] = ([], [], [])
    for item in due:
        groups[0 if item.command else 1 if item.leaving.urgent else 2].append(item)
    return [group for group in groups if group]


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """A request that is durable as SENDING and may now be written to the wire, once.

    `not_after` is on the monotonic clock: later than that nothing is written.
    """

    order_id: str
    version: int
    user_id: str
    intent: OrderIntent
    not_after: float
    signal_id: str
    command: int = 0
    kind: str = "PLACE"
    broker_order_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderRow:
    """The part of a ledger row that decisions need."""

    order_id: str
    version: int
    state: OrderState
    account_id: str
    user_id: str
    client_order_id: str
    instrument: str
    quantity: int
    filled_quantity: int
    average_price: Decimal | None
    broker_order_id: str | None
    attempts: int
    expires_at: datetime
    reason: str | None = None
    acknowledged_at: datetime | None = None
    filled_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Word:
    """Something the broker, or our own client, said about one order.

    `received_at` is when it arrived, by the clock of the process that reads it from the broker.

    One of `report` and `problem` stands. `problem` is a verdict about our own request: NOT_SENT,
    SESSION, RATE (nothing was processed) or UNKNOWN.
    """

    account_id: str
    source: UpdateSource
    received_at: datetime
    order_id: str | None = None
    report: OrderReport | None = None
    problem: str | None = None
    message: str = ""
    retry_after_s: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One transition to write; None in a field means "leave as it is"."""

    state: OrderState
    reason: str | None = None
    message: str = ""
    broker_order_id: str | None = None
    filled_quantity: int | None = None
    average_price: Decimal | None = None
    due_in_s: float | None = None
    acknowledged_at: datetime | None = None
    filled_at: datetime | None = None
