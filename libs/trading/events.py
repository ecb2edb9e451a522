"""Facts that travel between services, past tense. Records on the bus carry these, whole."""

from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from libs.trading.orders import OrderReport, OrderTerms, Product, Side
from libs.trading.states import OrderState


class UpdateSource(StrEnum):
    """Where a broker's word about an order came from."""

    REPLY = "REPLY"
    FEED = "FEED"
    BOOK = "BOOK"


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerUpdate:
    """One report of a broker about one order of an account, ours or foreign."""

    account_id: str
    broker: str
    source: UpdateSource
    received_at: datetime
    report: OrderReport


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderChanged:
    """A follower order after one transition, whole. Newer `version` wins; order of arrival is free.

    `change_id` is the cursor of `GET /orders?after=`. `reason` is a code of the closed lists,
    `message` our sentence or the broker's own words, `figures` the numbers and names in it.
    `retry_of` names the failed exit that this order tries again. `acknowledged_at` is when the
    first word that the broker has it arrived here, `filled_at` its broker's time of the last fill.
    """

    order_id: str
    version: int
    change_id: int
    at: datetime
    state: OrderState
    signal_id: str
    strategy_id: str
    follow_id: str
    master_id: str
    user_id: str
    account_id: str
    broker: str
    client_order_id: str
    instrument: str
    side: Side
    product: Product
    terms: OrderTerms
    planned_at: datetime
    accepted_at: datetime
    sent_at: datetime | None = None
    filled_quantity: int = 0
    average_price: Decimal | None = None
    broker_order_id: str | None = None
    environment: str = "PAPER"
    action: str = "PLACE"
    reason: str | None = None
    message: str = ""
    retry_of: str | None = None
    figures: dict[str, str] = field(default_factory=dict)
    acknowledged_at: datetime | None = None
    filled_at: datetime | None = None


class NoticeKind(StrEnum):
    NOTIFICATION = "NOTIFICATION"
    ALARM_OPENED = "ALARM_OPENED"
    ALARM_CLEARED = "ALARM_CLEARED"


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """Something a person must be told. `code` picks the text, `figures` fill it.

    `user_id` None goes to the operators. `subject` is what it is about (`account:…`, `order:…`).
    """

    notice_id: str
    kind: NoticeKind
    code: str
    subject: str
    at: datetime
    user_id: str | None = None
    figures: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetter:
    """A record nobody could use, kept whole for a person."""

    source_topic: str
    partition: int
    offset: int
    raw: bytes
    error: str
    at: datetime
    key: bytes | None = None
    headers: dict[str, str] = field(default_factory=dict)
