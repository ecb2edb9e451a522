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
from libs.trading.signals import CopyMode, SignalAction
from services.signal.proposal import Proposal

OVER = frozenset(
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
QUANTITY_STAYS = "its quantity was changed: followers keep what each of them has to close"


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """What the copied orders add up to: `net` is signed, `closing` is what exits at work close.

    `opening` is what entries at work may still open.
    """

    net: int = 0
    closing: int = 0
    opening: int = 0


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
    copy_mode: CopyMode = CopyMode.ORDERS


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
    """How the order stands now; `proposal` is what follows from it, `name` tells it from others.

    An order that turns a position round is a way out first, `leaves`, and an entry then.
    """

    order: CapturedOrder
    proposal: Proposal | None = None
    name: str = ""
    leaves: Proposal | None = None


def first_step(capture: Capture, held: Held, update: BrokerUpdate) -> Step | None:
    """Judge an order that was not known; None while, or because, nothing comes of it."""
    report = update.report
    order = new_order(capture, update)
    never_held = report.status in OVER and not report.filled_quantity
    if order is None or report.status is OrderStatus.ACKED or never_held:
        return None
    problem = unreadable(report)
    if problem or report.terms is None or report.side is None:
        return Step(order=replace(order, problem=problem))
    extras = [words for extra, words in _EXTRAS.items() if extra in report.extras]
    order = replace(order, problem=extras[0] if extras else "")
    to_close = abs(held.net) if report.side.sign * held.net < 0 else 0
    if to_close >= report.terms.quantity:
        if OrderExtra.AFTER_MARKET in report.extras:
            return Step(order=order)
        leaves = opening(capture, report, SignalAction.EXIT, report.terms)
        # Out of everything: what followers were late to enter is taken back and closed too.
        is_flat = to_close == report.terms.quantity and not held.opening
        if not (is_flat and _has_no_life_left(report)):
            left = max(to_close - held.closing, report.terms.quantity)
            leaves = replace(leaves, held_quantity=left)
        return Step(order=replace(order, action=leaves.action), proposal=leaves, name="new")
    terms, turned = report.terms, None
    if to_close and _has_no_life_left(report):
        terms = replace(report.terms, quantity=report.terms.quantity - to_close)
        closed = replace(report.terms, quantity=to_close)
        turned = opening(capture, report, SignalAction.EXIT, closed)
        turned = replace(turned, held_quantity=to_close if held.opening else None)
    entry = opening(capture, report, SignalAction.PLACE, terms)
    entry = replace(entry, extras=report.extras)
    return Step(
        order=replace(order, action=entry.action), proposal=entry, name="new", leaves=turned
    )


def next_step(capture: Capture, known: CapturedOrder, update: BrokerUpdate) -> Step | None:
    """Judge another word about a known order; None when it says nothing new."""
    if known.status in OVER or is_stale(known, update):
        return None
    order = standing(known, update)
    if known.signal_id is None:
        return Step(order=order)
    report = update.report
    if report.status in _TAKEN_BACK:
        return Step(order=order, proposal=_change(capture, known, update), name="cancel")
    terms = report.terms
    if terms is not None and known.terms is not None and known.action is SignalAction.EXIT:
        if terms.quantity != known.terms.quantity:
            order = replace(order, problem=QUANTITY_STAYS)
        terms = replace(terms, quantity=known.terms.quantity)
    if terms is None or not _changed(known, terms, update):
        return Step(order=order)
    order = replace(order, terms=terms, changes=known.changes + 1)
    return Step(
        order=order,
        proposal=_change(capture, known, update, terms),
        name=f"change {order.changes}",
    )


def new_order(capture: Capture, update: BrokerUpdate) -> CapturedOrder | None:
    """Begin to know an order; None for one that was placed before the capture began."""
    report = update.report
    if report.placed_at is None or report.placed_at < capture.began_at:
        return None
    order = CapturedOrder(
        broker_order_id=report.broker_order_id,
        placed_at=report.placed_at,
        status=report.status,
        instrument=report.instrument,
        side=report.side,
        product=report.product,
        terms=report.terms,
    )
    return standing(order, update)


def standing(order: CapturedOrder, update: BrokerUpdate) -> CapturedOrder:
    """Bring an order to what the broker says of it now."""
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


def is_stale(known: CapturedOrder, update: BrokerUpdate) -> bool:
    at = update.report.at
    if update.report.filled_quantity < known.filled_quantity:
        return True
    return (
        update.source is UpdateSource.FEED
        and known.feed_at is not None
        and at is not None
        and at < known.feed_at
    )


def unreadable(report: OrderReport) -> str:
    """Say what of an order is not known well enough for a signal, or nothing."""
    if None in (report.instrument, report.side, report.product, report.terms):
        return "its instrument, side, product or type is not known here"
    return (report.terms and report.terms.problem()) or ""


def opening(
    capture: Capture,
    report: OrderReport,
    action: SignalAction,
    terms: OrderTerms,
) -> Proposal:
    """Propose a PLACE or an EXIT of what a report is about."""
    return Proposal(
        strategy_id=capture.strategy_id,
        action=action,
        instrument=report.instrument,
        side=report.side,
        product=report.product,
        validity=report.validity,
        terms=terms,
        broker_event_at=report.placed_at,
    )


def _has_no_life_left(report: OrderReport) -> bool:
    """Tell an order that can no longer be changed or taken back in any way that matters."""
    at_market = report.terms is not None and report.terms.order_type is OrderType.MARKET
    return at_market or report.status is OrderStatus.FILLED


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
