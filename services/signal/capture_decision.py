"""What a broker's word about a master's own order means: a new signal, a change of one, nothing.

Pure. An order placed before the capture began is history. An order that is only on its way waits:
a copy of what the broker then rejects could not always be taken back.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal

from libs.trading.events import BrokerUpdate, UpdateSource
from libs.trading.orders import (
    OrderExtra,
    OrderReport,
    OrderStatus,
    OrderTerms,
    OrderType,
    Product,
    Side,
)
from libs.trading.signals import SignalAction
from services.signal.lifetime import PLACE_DEFAULT_S
from services.signal.proposal import Proposal

_OVER = frozenset(
    {OrderStatus.FILLED, OrderStatus.CANCELLED, OrderStatus.REJECTED, OrderStatus.LAPSED}
)
_TAKEN_BACK = frozenset({OrderStatus.CANCELLED, OrderStatus.REJECTED})
# A book may have been written before the feed's last word, and arrive after it.
_BOOK_LAGS = timedelta(seconds=5)
_TRIGGERED = {OrderType.STOP: OrderType.MARKET, OrderType.STOP_LIMIT: OrderType.LIMIT}
_EXTRAS = {
    OrderExtra.AFTER_MARKET: "it was placed after the market, and copies leave at once",
    OrderExtra.DISCLOSED_QUANTITY: "it shows only a part of its quantity, and copies show all",
    OrderExtra.ATTACHED_EXITS: "it has a stop or a target attached, and copies have none",
}
LATE_PART = (
    "it closed a part of the position and was heard of too late for a copy of an order: followers "
    "still hold that part"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Capture:
    strategy_id: str
    master_id: str
    account_id: str
    broker: str
    broker_client_id: str
    is_on: bool
    began_at: datetime
    # A running follow of the same login: its copies would come back as the master's own orders.
    follows_too: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class CapturedOrder:
    """A new order of the master: how it stood last, and the signal it became."""

    broker_order_id: str
    placed_at: datetime
    status: OrderStatus
    instrument: str | None = None
    side: Side | None = None
    product: Product | None = None
    terms: OrderTerms | None = None
    filled_quantity: int = 0
    # What the broker says now; the order as it was read from the ledger has none.
    average_price: Decimal | None = None
    action: SignalAction | None = None
    signal_id: str | None = None
    changes: int = 0
    problem: str = ""
    feed_at: datetime | None = None
    feed_received_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """How the order stands now; `proposal` is what follows from it, `name` tells it from others."""

    order: CapturedOrder
    proposal: Proposal | None = None
    name: str = ""


def first_step(capture: Capture, net_quantity: int, update: BrokerUpdate) -> Step | None:
    """Judge an order that was not known; None while, or because, nothing comes of it."""
    report = update.report
    if report.placed_at is None or report.placed_at < capture.began_at:
        return None
    never_held = report.status in _OVER and not report.filled_quantity
    if report.status is OrderStatus.ACKED or never_held:
        return None
    order = _standing(
        CapturedOrder(
            broker_order_id=report.broker_order_id,
            placed_at=report.placed_at,
            status=report.status,
            instrument=report.instrument,
            side=report.side,
            product=report.product,
            terms=report.terms,
        ),
        update,
    )
    problem = _problem(report)
    if problem:
        return Step(order=replace(order, problem=problem))
    action = _action(report, net_quantity)
    late = update.received_at - report.placed_at > timedelta(seconds=PLACE_DEFAULT_S)
    if action is SignalAction.PLACE and late and _reduces(report, net_quantity):
        order = replace(order, problem=LATE_PART)
    proposal = Proposal(
        strategy_id=capture.strategy_id,
        action=action,
        instrument=report.instrument,
        side=report.side,
        product=report.product,
        validity=report.validity,
        terms=report.terms,
        broker_event_at=report.placed_at,
    )
    return Step(order=replace(order, action=action), proposal=proposal, name="new")


def next_step(capture: Capture, known: CapturedOrder, update: BrokerUpdate) -> Step | None:
    """Judge another word about a known order; None when it says nothing new."""
    if known.status in _OVER or _is_stale(known, update):
        return None
    order = _standing(known, update)
    if known.signal_id is None or known.action is not SignalAction.PLACE:
        return Step(order=order)
    report = update.report
    if report.status in _TAKEN_BACK:
        return Step(order=order, proposal=_change(capture, known, update), name="cancel")
    terms = report.terms
    if terms is None or not _changed(known, terms, update):
        return Step(order=order)
    order = replace(order, terms=terms, changes=known.changes + 1)
    return Step(
        order=order,
        proposal=_change(capture, known, update, terms),
        name=f"change {order.changes}",
    )


def _standing(order: CapturedOrder, update: BrokerUpdate) -> CapturedOrder:
    report = update.report
    from_feed = update.source is UpdateSource.FEED
    return replace(
        order,
        status=report.status,
        filled_quantity=max(order.filled_quantity, report.filled_quantity),
        average_price=report.average_price,
        feed_at=(report.at or order.feed_at) if from_feed else order.feed_at,
        feed_received_at=update.received_at if from_feed else order.feed_received_at,
    )


def _is_stale(known: CapturedOrder, update: BrokerUpdate) -> bool:
    at = update.report.at
    if update.report.filled_quantity < known.filled_quantity:
        return True
    return (
        update.source is UpdateSource.FEED
        and known.feed_at is not None
        and at is not None
        and at < known.feed_at
    )


def _problem(report: OrderReport) -> str:
    """Say why an order cannot be copied as it is, or nothing."""
    for extra, words in _EXTRAS.items():
        if extra in report.extras:
            return words
    if None in (report.instrument, report.side, report.product, report.terms):
        return "its instrument, side, product or type is not known here"
    return (report.terms and report.terms.problem()) or ""


def _action(report: OrderReport, net_quantity: int) -> SignalAction:
    """Tell a way out from an entry.

    Only what closes all, and has no life left in which it could be changed, is an EXIT: followers
    then close what they hold of it. A part, or an order that waits, is copied as the order it is.
    """
    if report.terms is None or not _reduces(report, net_quantity):
        return SignalAction.PLACE
    held = abs(net_quantity)
    filled = report.status is OrderStatus.FILLED and report.filled_quantity == held
    at_market = report.terms.order_type is OrderType.MARKET and report.terms.quantity == held
    return SignalAction.EXIT if filled or at_market else SignalAction.PLACE


def _reduces(report: OrderReport, net_quantity: int) -> bool:
    if report.side is None or report.terms is None:
        return False
    against = report.side.sign * net_quantity < 0
    return against and report.terms.quantity <= abs(net_quantity)


def _changed(known: CapturedOrder, terms: OrderTerms, update: BrokerUpdate) -> bool:
    """Tell a master's change from a trigger that was reached and from a book that lags."""
    before = known.terms
    if before is None or terms == before or terms.problem():
        return False
    fired = _TRIGGERED.get(before.order_type) is terms.order_type
    if fired and (terms.quantity, terms.limit_price) == (before.quantity, before.limit_price):
        return False
    lags = (
        update.source is UpdateSource.BOOK
        and known.feed_received_at is not None
        and update.received_at - known.feed_received_at < _BOOK_LAGS
    )
    return not lags


def _change(
    capture: Capture, known: CapturedOrder, update: BrokerUpdate, terms: OrderTerms | None = None
) -> Proposal:
    """Propose a MODIFY to these terms, or a CANCEL. A book does not tell when it happened."""
    from_feed = update.source is UpdateSource.FEED
    return Proposal(
        strategy_id=capture.strategy_id,
        action=SignalAction.MODIFY if terms else SignalAction.CANCEL,
        parent_signal_id=known.signal_id,
        terms=terms,
        broker_event_at=update.report.at if from_feed else None,
    )
