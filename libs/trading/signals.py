"""A master's decision, before sizing."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from libs.trading.orders import OrderExtra, OrderTerms, Product, Side, Validity


class SignalAction(StrEnum):
    PLACE = "PLACE"
    MODIFY = "MODIFY"
    CANCEL = "CANCEL"
    EXIT = "EXIT"

    @property
    def reduces_risk(self) -> bool:
        return self in {SignalAction.CANCEL, SignalAction.EXIT}


class CopyMode(StrEnum):
    """What of a master's trading a strategy copies; chosen when it begins."""

    # Each order, and what becomes of it.
    ORDERS = "ORDERS"
    # What was filled, when it was filled.
    FILLS = "FILLS"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stamps:
    """When a signal passed each stage; UTC. Only `accepted_at` is on the database's clock."""

    accepted_at: datetime
    broker_event_at: datetime | None = None
    published_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Signal:
    """One thing a master did, accepted and durable.

    `seq` is gapless per master and starts at 1. `terms` stands for PLACE and MODIFY (absolute new
    values). PLACE and EXIT name instrument, side and product; MODIFY and CANCEL name the PLACE or
    EXIT they change in `parent_signal_id` and repeat its instrument. An EXIT's `side` is the side
    that closes; its `terms` say how. Its quantity is the master's own: of `held_quantity`, what was
    left to close before, and followers close the same share of what they have left; without it
    entries at work are cancelled and all is closed. A PLACE with `filled_after` copies fills of an
    order of `terms.quantity`: the part from `filled_before` on. `extras` is what the master's order
    had and a copy may not have. `master_price` is what the master traded at and `master_equity`
    what the strategy is traded with, in rupees, where the master says so.
    """

    signal_id: str
    master_id: str
    strategy_id: str
    seq: int
    action: SignalAction
    instrument: str
    expires_at: datetime
    stamps: Stamps
    parent_signal_id: str | None = None
    side: Side | None = None
    product: Product | None = None
    validity: Validity = Validity.DAY
    terms: OrderTerms | None = None
    master_price: Decimal | None = None
    master_equity: Decimal | None = None
    held_quantity: int | None = None
    filled_before: int = 0
    filled_after: int | None = None
    extras: frozenset[OrderExtra] = frozenset()

    @property
    def is_partial_exit(self) -> bool:
        """Tell whether the master keeps a part of the position; raise `ValueError` for no exit."""
        if self.action is not SignalAction.EXIT or self.terms is None:
            raise ValueError(f"signal {self.signal_id}: {self.action} closes nothing")
        return self.held_quantity is not None and self.terms.quantity < self.held_quantity
