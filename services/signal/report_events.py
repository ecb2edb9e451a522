"""What a report keeps of order events and signals. Pure: repeated or reordered, the same comes out.

The newest version of an order wins; when it was acknowledged and filled is the earliest moment that
any version tells.
"""

import re
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal

from libs.trading.events import OrderChanged
from libs.trading.signals import Signal

_MESSAGE_CHARACTERS_MAX = 1_000
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII)
# Far beyond any price, far within what the database can hold.
_PRICE_EXPONENT_MAX = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderNews:
    """One order after some of its events."""

    newest: OrderChanged
    acknowledged_at: datetime | None = None
    filled_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedSignal:
    """A signal as it was read; `published_at` is the stamp of its record on the bus."""

    signal: Signal
    published_at: datetime | None = None


def news_of(
    newest: OrderChanged, acknowledged_at: datetime | None, filled_at: datetime | None
) -> OrderNews:
    """Make the news of an order. Its own stamps count; those given are for events without them."""
    if len(newest.message) > _MESSAGE_CHARACTERS_MAX:
        newest = replace(newest, message=newest.message[:_MESSAGE_CHARACTERS_MAX])
    return OrderNews(
        newest=newest,
        acknowledged_at=newest.acknowledged_at or acknowledged_at,
        filled_at=newest.filled_at or filled_at,
    )


def why_not_storable(event: OrderChanged) -> str | None:
    """Say what keeps an event out of the tables for ever; None when it can be stored."""
    for name in (
        "order_id", "signal_id", "follow_id", "strategy_id", "master_id", "user_id", "account_id"
    ):  # fmt: skip
        if not _is_uuid(getattr(event, name)):
            return f"OrderChanged.{name}: not a uuid"
    texts = (event.broker, event.environment, event.action, event.instrument, event.reason or "")
    if any(
        "\0" in text for text in (*texts, event.message, *event.figures, *event.figures.values())
    ):
        return "OrderChanged: a text holds a zero byte"
    prices = (event.average_price, event.terms.limit_price, event.terms.trigger_price)
    if any(price is not None and not _is_price(price) for price in prices):
        return "OrderChanged: a price is out of all bounds"
    return None


def is_storable(signal: Signal) -> bool:
    """Whether this may be one of ours; a signal that is not concerns no report."""
    ids = (signal.signal_id, signal.master_id, signal.strategy_id)
    limit_price = signal.terms.limit_price if signal.terms else None
    return (
        all(map(_is_uuid, ids))
        and (signal.parent_signal_id is None or _is_uuid(signal.parent_signal_id))
        and (limit_price is None or _is_price(limit_price))
    )


def _is_price(price: Decimal) -> bool:
    return price.is_finite() and abs(price.adjusted()) <= _PRICE_EXPONENT_MAX


def _is_uuid(text: str) -> bool:
    # Seven of them in every event: a parsed `UUID` costs ten times as much.
    return _UUID.fullmatch(text) is not None
