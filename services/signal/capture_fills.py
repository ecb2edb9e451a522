"""What a fill of a master's own order means where a strategy copies fills. Pure.

One step takes one part of what was filled: what closes a position first, then what opens one. The
order keeps how much of it was taken, so that whoever asks again gets the next part.
"""

from dataclasses import replace

from libs.trading.events import BrokerUpdate
from libs.trading.orders import OrderTerms, OrderType, Validity
from libs.trading.signals import Signal, SignalAction
from services.signal.capture_decision import (
    Capture,
    CapturedOrder,
    Held,
    Step,
    is_stale,
    new_order,
    opening,
    standing,
    unreadable,
)
from services.signal.proposal import Proposal


def fill_step(
    capture: Capture, known: CapturedOrder | None, held: Held, update: BrokerUpdate
) -> Step | None:
    """Judge what was filled since; None when nothing was, or when it is history."""
    report = update.report
    order = new_order(capture, update) if known is None else standing(known, update)
    if order is None or (known is not None and is_stale(known, update)):
        return None
    before = known.filled_quantity if known else 0
    more = report.filled_quantity - before
    if more <= 0:
        return Step(order=order) if known and known.status is not order.status else None
    problem = unreadable(report)
    if problem or report.side is None or report.terms is None:
        return Step(order=replace(order, problem=problem))
    to_close = abs(held.net) if report.side.sign * held.net < 0 else 0
    part = min(more, to_close) or more
    order = replace(order, filled_quantity=before + part)
    if to_close:
        terms = OrderTerms(order_type=OrderType.MARKET, quantity=part)
        proposal = opening(capture, report, SignalAction.EXIT, terms)
        # Flat now: what followers were late to enter is taken back and closed too.
        proposal = replace(proposal, held_quantity=None if part == to_close else to_close)
    else:
        terms = OrderTerms(order_type=OrderType.MARKET, quantity=report.terms.quantity)
        proposal = opening(capture, report, SignalAction.PLACE, terms)
        proposal = replace(proposal, filled_before=before, filled_after=order.filled_quantity)
    proposal = replace(
        proposal,
        validity=Validity.DAY,
        master_price=report.average_price,
        broker_event_at=report.at or report.placed_at,
    )
    # Named after where it begins: after a crash the broker may say more of the order than before.
    return Step(
        order=replace(order, action=proposal.action), proposal=proposal, name=f"fill {before}"
    )


def as_it_was_taken(order: CapturedOrder, proposal: Proposal, signal: Signal) -> CapturedOrder:
    """Take back what the signal does not cover: an earlier one of its name may be of less."""
    uncovered = _part(proposal) - _part(signal)
    return replace(order, filled_quantity=order.filled_quantity - uncovered)


def _part(of: Proposal | Signal) -> int:
    if of.filled_after is not None:
        return of.filled_after - (of.filled_before or 0)
    return of.terms.quantity if of.terms and of.action is SignalAction.EXIT else 0
