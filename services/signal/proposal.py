"""What a master asks for, the rules it must keep, and the signal it becomes. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from libs.runtime.problems import Problem
from libs.trading.orders import OrderExtra, OrderTerms, Product, Side, Validity
from libs.trading.signals import CopyMode, Signal, SignalAction, Stamps
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
    SignalAction.PLACE: frozenset({"validity", "master_price", "filled_before", "filled_after"}),
    SignalAction.MODIFY: frozenset({"instrument"}),
    SignalAction.CANCEL: frozenset({"instrument"}),
    SignalAction.EXIT: frozenset({"validity", "master_price", "held_quantity"}),
}
# A follower's size may come from the master's equity.
_SIZED = frozenset({SignalAction.PLACE, SignalAction.MODIFY})
# In the order in which a person would fill them in.
_HINTS: Mapping[str, str] = {
    "parent_signal_id": "give the signal_id of the PLACE or EXIT it changes",
    "instrument": "name one, as NSE:SBIN or NFO:NIFTY:2026-12-29:FUT",
    "side": "write BUY or SELL",
    "product": f"write one of {', '.join(Product)}",
    "validity": f"write one of {', '.join(Validity)}",
    "master_price": "write the price it was traded at, as 812.50",
    "held_quantity": "write what was left to close before, as 10",
    "filled_before": "write what was filled before, as 0",
    "filled_after": "write what is filled now, as 5",
    "terms": 'give them, as {"order_type": "LIMIT", "quantity": 10, "limit_price": "812.50"}',
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """A signal as its master wants it, each field well formed, the whole not yet judged.

    `broker_event_at` is when it happened elsewhere, and `extras` is what an order had there that
    ours never have, for what did not begin with us.
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
    held_quantity: int | None = None
    filled_before: int | None = None
    filled_after: int | None = None
    extras: frozenset[OrderExtra] = frozenset()


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
    _check_parts(proposal)


def check_mode(proposal: Proposal, mode: CopyMode | None) -> None:
    """Raise `Problem` for what does not suit the way in which the strategy copies."""
    is_fill = proposal.filled_after is not None
    if mode is CopyMode.FILLS and proposal.action is SignalAction.MODIFY:
        raise refusals.invalid(
            "action", "the strategy copies fills: nothing of it rests that a MODIFY could change"
        )
    if mode is CopyMode.FILLS and proposal.action is SignalAction.PLACE and not is_fill:
        raise refusals.invalid(
            "filled_after", f"the strategy copies fills, {_HINTS['filled_after']} of the order"
        )
    if mode is not CopyMode.FILLS and is_fill:
        raise refusals.invalid("filled_after", "the strategy copies orders, leave it out")


def _check_parts(proposal: Proposal) -> None:
    whole = proposal.terms.quantity if proposal.terms else 0
    if proposal.held_quantity is not None and proposal.held_quantity < whole:
        raise refusals.invalid(
            "held_quantity", f"must be at least the {whole} that are closed, or left out"
        )
    before, after = proposal.filled_before, proposal.filled_after
    if before is not None and after is None:
        raise refusals.invalid(
            "filled_after", f"belongs to filled_before, {_HINTS['filled_after']}"
        )
    if after is not None and not (before or 0) < after <= whole:
        raise refusals.invalid(
            "filled_after",
            f"must be above filled_before, {before or 0}, and at most the order's {whole}",
        )


def check_parent(proposal: Proposal, parent: Signal | None) -> None:
    """Raise `Problem` unless the parent is an order of the same strategy and instrument."""
    if proposal.parent_signal_id is None:
        return
    problem = _parent_problem(proposal, parent)
    if problem:
        raise problem


def _parent_problem(proposal: Proposal, parent: Signal | None) -> Problem | None:
    if parent is None:
        return refusals.parent_unknown()
    if parent.action not in {SignalAction.PLACE, SignalAction.EXIT}:
        return refusals.parent_not_an_order(parent.action)
    if parent.strategy_id != proposal.strategy_id:
        return refusals.parent_of_another_strategy()
    if proposal.instrument not in {None, parent.instrument}:
        return refusals.invalid(
            "instrument", f"what it changes is {parent.instrument}, write that or leave it out"
        )
    if parent.action is SignalAction.EXIT and parent.terms and proposal.terms:
        kept = parent.terms.quantity
        if proposal.terms.quantity != kept:
            return refusals.invalid(
                "terms.quantity", f"an EXIT keeps its quantity, {kept}: cancel it and exit anew"
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
    """Make a checked proposal a signal; a change takes instrument and validity from its parent."""
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
        held_quantity=proposal.held_quantity,
        filled_before=proposal.filled_before or 0,
        filled_after=proposal.filled_after,
        extras=proposal.extras,
    )
