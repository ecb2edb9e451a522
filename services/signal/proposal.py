"""What a master asks for, the rules it must keep, and the signal it becomes. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from libs.runtime.problems import Problem
from libs.trading.orders import OrderTerms, Product, Side, Validity
from libs.trading.signals import Signal, SignalAction, Stamps
from services.signal import refusals
from services.signal.lifetime import expiry_of, lifetime_problem

_OPENING = frozenset({"instrument", "side", "product", "terms"})
_NEEDED: Mapping[SignalAction, frozenset[str]] = {
    SignalAction.PLACE: _OPENING,
    SignalAction.MODIFY: frozenset({"parent_signal_id", "terms"}),
    SignalAction.CANCEL: frozenset({"parent_signal_id"}),
    SignalAction.EXIT: _OPENING,
}
_ALLOWED: Mapping[SignalAction, frozenset[str]] = {
    SignalAction.PLACE: frozenset({"validity", "master_price"}),
    SignalAction.MODIFY: frozenset({"instrument"}),
    SignalAction.CANCEL: frozenset({"instrument"}),
    SignalAction.EXIT: frozenset({"validity", "master_price"}),
}
# A follower's size may come from the master's equity.
_SIZED = frozenset({SignalAction.PLACE, SignalAction.MODIFY})
# In the order in which a person would fill them in.
_HINTS: Mapping[str, str] = {
    "parent_signal_id": "give the signal_id of the PLACE it changes",
    "instrument": "name one, as NSE:SBIN or NFO:NIFTY:2026-12-29:FUT",
    "side": "write BUY or SELL",
    "product": f"write one of {', '.join(Product)}",
    "validity": f"write one of {', '.join(Validity)}",
    "master_price": "write the price it was traded at, as 812.50",
    "terms": 'give them, as {"order_type": "LIMIT", "quantity": 10, "limit_price": "812.50"}',
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """A signal as its master wants it, each field well formed, the whole not yet judged.

    `broker_event_at` is when it happened elsewhere, for what did not begin with us.
    """

    strategy_id: str
    action: SignalAction
    instrument: str | None = None
    side: Side | None = None
    product: Product | None = None
    validity: Validity | None = None
    terms: OrderTerms | None = None
    parent_signal_id: str | None = None
    expires_in_s: int | None = None
    broker_event_at: datetime | None = None
    master_price: Decimal | None = None


def check(proposal: Proposal) -> None:
    """Raise `Problem` for the first field that does not suit the action."""
    for field, hint in _HINTS.items():
        given = getattr(proposal, field) is not None
        if field in _NEEDED[proposal.action] and not given:
            raise refusals.invalid(field, f"{proposal.action} needs it, {hint}")
        if given and field not in _NEEDED[proposal.action] | _ALLOWED[proposal.action]:
            raise refusals.invalid(field, f"{proposal.action} has none, leave it out")
    if proposal.master_price is not None and proposal.master_price <= 0:
        raise refusals.invalid("master_price", "must be above 0, as 812.50")
    problem = proposal.terms.problem() if proposal.terms else None
    if problem:
        field, _, words = problem.partition(": ")
        raise refusals.invalid(f"terms.{field}", words)
    problem = lifetime_problem(proposal.action, proposal.expires_in_s)
    if problem:
        raise refusals.invalid("expires_in_s", problem)


def check_parent(proposal: Proposal, parent: Signal | None) -> None:
    """Raise `Problem` unless the parent is a PLACE of the same strategy and instrument."""
    if proposal.parent_signal_id is None:
        return
    problem = _parent_problem(proposal, parent)
    if problem:
        raise problem


def _parent_problem(proposal: Proposal, parent: Signal | None) -> Problem | None:
    if parent is None:
        return refusals.parent_unknown()
    if parent.action is not SignalAction.PLACE:
        return refusals.parent_not_a_place(parent.action)
    if parent.strategy_id != proposal.strategy_id:
        return refusals.parent_of_another_strategy()
    if proposal.instrument not in {None, parent.instrument}:
        return refusals.invalid(
            "instrument", f"the PLACE it changes is {parent.instrument}, write that or leave it out"
        )
    return None


def signal_of(
    proposal: Proposal,
    *,
    signal_id: str,
    master_id: str,
    seq: int,
    accepted_at: datetime,
    parent: Signal | None,
    master_equity: Decimal | None = None,
) -> Signal:
    """Make a checked proposal a signal; a change takes instrument and validity from its PLACE."""
    instrument = parent.instrument if parent else proposal.instrument
    if instrument is None:
        raise ValueError("a proposal without parent names its instrument: check() it first")
    return Signal(
        signal_id=signal_id,
        master_id=master_id,
        strategy_id=proposal.strategy_id,
        seq=seq,
        action=proposal.action,
        instrument=instrument,
        expires_at=expiry_of(
            proposal.action, accepted_at, proposal.expires_in_s, proposal.broker_event_at
        ),
        stamps=Stamps(accepted_at=accepted_at, broker_event_at=proposal.broker_event_at),
        parent_signal_id=proposal.parent_signal_id,
        side=proposal.side,
        product=proposal.product,
        validity=parent.validity if parent else proposal.validity or Validity.DAY,
        terms=proposal.terms,
        master_price=proposal.master_price,
        master_equity=master_equity if proposal.action in _SIZED else None,
    )
