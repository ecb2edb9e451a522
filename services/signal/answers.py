"""The JSON that people get: money as decimal strings, instants in UTC, ids as text."""

from datetime import datetime
from decimal import Decimal
from typing import Literal

from pydantic import BaseModel

from libs.contracts.rules_json import LimitsAnswer, SizingAnswer, limits_answer, sizing_answer
from libs.trading.orders import OrderTerms, OrderType, Product, Side, Validity
from libs.trading.signals import CopyMode, Signal, SignalAction
from services.signal.records import StoredFollow, Strategy


class AcceptedAnswer(BaseModel):
    """202 of POST /signals; a repeated request gets it again, byte for byte."""

    signal_id: str
    seq: int
    accepted_at: datetime
    expires_at: datetime


class TermsAnswer(BaseModel):
    order_type: OrderType
    quantity: int
    limit_price: Decimal | None
    trigger_price: Decimal | None


class SignalAnswer(BaseModel):
    signal_id: str
    seq: int
    strategy_id: str
    action: SignalAction
    instrument: str
    side: Side | None
    product: Product | None
    validity: Validity
    terms: TermsAnswer | None
    parent_signal_id: str | None
    held_quantity: int | None
    filled_before: int | None
    filled_after: int | None
    accepted_at: datetime
    expires_at: datetime


class ReversalAnswer(BaseModel):
    """The two signals of a reversal; the exit reaches every follower first."""

    exit: AcceptedAnswer
    entry: AcceptedAnswer


class SignalsAnswer(BaseModel):
    """Newest first. `cursor` is the `before` of the next page, null on the last one."""

    signals: list[SignalAnswer]
    cursor: str | None


class StrategyAnswer(BaseModel):
    strategy_id: str
    master_id: str
    name: str
    description: str
    equity: Decimal | None
    copy_mode: CopyMode
    created_at: datetime
    changed_at: datetime


class StrategiesAnswer(BaseModel):
    strategies: list[StrategyAnswer]
    cursor: str | None


class FollowAnswer(BaseModel):
    """It covers the master's signals with from_seq < seq <= until_seq (null while it runs).

    `copies_earlier_positions` is always false: what the master held when the follow began is
    not copied, and the master's exits of it are not either.
    """

    follow_id: str
    strategy_id: str
    master_id: str
    account_id: str
    broker: str
    sizing: SizingAnswer
    limits: LimitsAnswer
    copies_earlier_positions: Literal[False] = False
    state: Literal["RUNNING", "PAUSED", "ENDED"]
    paused: bool
    from_seq: int
    until_seq: int | None
    version: int
    created_at: datetime
    changed_at: datetime


class FollowsAnswer(BaseModel):
    follows: list[FollowAnswer]
    cursor: str | None


def accepted_answer(signal: Signal) -> AcceptedAnswer:
    return AcceptedAnswer(
        signal_id=signal.signal_id,
        seq=signal.seq,
        accepted_at=signal.stamps.accepted_at,
        expires_at=signal.expires_at,
    )


def signal_answer(signal: Signal) -> SignalAnswer:
    return SignalAnswer(
        signal_id=signal.signal_id,
        seq=signal.seq,
        strategy_id=signal.strategy_id,
        action=signal.action,
        instrument=signal.instrument,
        side=signal.side,
        product=signal.product,
        validity=signal.validity,
        terms=_terms_answer(signal.terms) if signal.terms else None,
        parent_signal_id=signal.parent_signal_id,
        held_quantity=signal.held_quantity,
        filled_before=None if signal.filled_after is None else signal.filled_before,
        filled_after=signal.filled_after,
        accepted_at=signal.stamps.accepted_at,
        expires_at=signal.expires_at,
    )


def strategy_answer(strategy: Strategy) -> StrategyAnswer:
    return StrategyAnswer(
        strategy_id=strategy.strategy_id,
        master_id=strategy.master_id,
        name=strategy.name,
        description=strategy.description,
        equity=strategy.equity,
        copy_mode=strategy.copy_mode,
        created_at=strategy.created_at,
        changed_at=strategy.changed_at,
    )


def follow_answer(stored: StoredFollow) -> FollowAnswer:
    follow = stored.follow
    return FollowAnswer(
        follow_id=follow.follow_id,
        strategy_id=follow.strategy_id,
        master_id=follow.master_id,
        account_id=follow.account_id,
        broker=follow.broker,
        sizing=sizing_answer(follow.sizing),
        limits=limits_answer(follow.limits),
        state=_state(stored),
        paused=follow.paused,
        from_seq=follow.from_seq,
        until_seq=follow.until_seq,
        version=follow.version,
        created_at=stored.created_at,
        changed_at=stored.changed_at,
    )


def _state(stored: StoredFollow) -> Literal["RUNNING", "PAUSED", "ENDED"]:
    if stored.follow.until_seq is not None:
        return "ENDED"
    return "PAUSED" if stored.follow.paused else "RUNNING"


def _terms_answer(terms: OrderTerms) -> TermsAnswer:
    return TermsAnswer(
        order_type=terms.order_type,
        quantity=terms.quantity,
        limit_price=terms.limit_price,
        trigger_price=terms.trigger_price,
    )
