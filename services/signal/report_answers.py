"""The JSON of the copy reports: money as decimal strings, durations in milliseconds."""

from datetime import datetime
from decimal import Decimal
from typing import Any

from pydantic import BaseModel

from libs.trading.signals import Signal
from services.signal.answers import SignalAnswer, signal_answer
from services.signal.report_explaining import Explanation, Outcome
from services.signal.report_records import CopiedOrder, Figures, Latency, Slippage, Totals
from services.signal.report_sentences import general_sentence, own_sentence

_SHORT = 6


class TotalsAnswer(BaseModel):
    """Orders, but for `followers`. Every planned one is in exactly one count from `filled` on.

    `waiting` is not sent yet, `working` is at its broker, `in_doubt` was sent and not answered.
    """

    followers: int
    planned: int
    sent: int
    acknowledged: int
    copied_quantity: int
    filled: int
    rejected: int
    cancelled: int
    lapsed: int
    not_placed: int
    attention: int
    working: int
    waiting: int
    in_doubt: int
    skipped: int
    skipped_by_reason: dict[str, int]


class LatencyAnswer(BaseModel):
    stage: str
    orders: int
    p50_ms: float
    p90_ms: float
    p99_ms: float


class SlippageAnswer(BaseModel):
    """Basis points against the master's price, positive is worse; null without such fills."""

    orders: int
    mean_bp: Decimal | None
    p50_bp: Decimal | None
    p90_bp: Decimal | None
    p99_bp: Decimal | None
    worst_bp: Decimal | None


class MasterRowAnswer(BaseModel):
    """A follower's order as its master sees it: whose it is stays with the follower."""

    order_id: str
    account: str
    broker: str
    environment: str
    side: str
    quantity: int
    state: str
    reason: str | None
    sentence: str
    filled_quantity: int
    average_price: Decimal | None
    slippage_bp: Decimal | None
    planned_at: datetime
    sent_at: datetime | None
    acknowledged_at: datetime | None
    filled_at: datetime | None


class FollowRowAnswer(BaseModel):
    """An own order. `message` is our sentence, or the broker's own words; `figures` are in it."""

    order_id: str
    signal_id: str
    seq: int | None
    environment: str
    action: str
    instrument: str
    side: str
    product: str
    order_type: str
    quantity: int
    limit_price: Decimal | None
    trigger_price: Decimal | None
    state: str
    reason: str | None
    sentence: str
    message: str
    figures: dict[str, str]
    filled_quantity: int
    average_price: Decimal | None
    master_price: Decimal | None
    slippage_bp: Decimal | None
    broker_event_at: datetime | None
    accepted_at: datetime
    published_at: datetime | None
    planned_at: datetime
    sent_at: datetime | None
    acknowledged_at: datetime | None
    filled_at: datetime | None


class SignalReportAnswer(BaseModel):
    """One signal at all its followers. `cursor` is the `after` of the next page of orders."""

    signal: SignalAnswer
    totals: TotalsAnswer
    latencies: list[LatencyAnswer]
    slippage: SlippageAnswer
    orders: list[MasterRowAnswer]
    cursor: str | None


class FollowReportAnswer(BaseModel):
    """One follow, newest order first. `cursor` is the `before` of the next page of orders."""

    follow_id: str
    days: int
    totals: TotalsAnswer
    latencies: list[LatencyAnswer]
    slippage: SlippageAnswer
    orders: list[FollowRowAnswer]
    cursor: str | None


class WhyAnswer(BaseModel):
    """What became of one signal at one follow, and why. `reason` is a code, `figures` its numbers.

    `signal` is null when the follow does not cover it. `order_signal_id` is the signal whose order
    this is about: for a change or a cancellation that of an earlier PLACE.
    """

    signal_id: str
    seq: int
    accepted_at: datetime
    outcome: Outcome
    reason: str | None
    sentence: str
    figures: dict[str, str]
    order_signal_id: str
    signal: SignalAnswer | None


class WhyWithOrdersAnswer(WhyAnswer):
    orders: list[FollowRowAnswer]


class WhyListAnswer(BaseModel):
    """What the follow covers, newest first. `cursor` is the `before` of the next page."""

    signals: list[WhyAnswer]
    cursor: str | None


class SignalTotalsAnswer(BaseModel):
    signal: SignalAnswer
    totals: TotalsAnswer


class SignalReportsAnswer(BaseModel):
    """Newest first. `cursor` is the `before` of the next page, null on the last one."""

    signals: list[SignalTotalsAnswer]
    cursor: str | None


def signal_report_answer(
    signal: Signal, figures: Figures, orders: list[CopiedOrder], *, limit: int
) -> SignalReportAnswer:
    return SignalReportAnswer(
        signal=signal_answer(signal),
        totals=totals_answer(figures.totals),
        latencies=_latencies(figures.latencies),
        slippage=_slippage(figures.slippage),
        orders=[master_row(order) for order in orders],
        cursor=orders[-1].order_id if len(orders) == limit else None,
    )


def follow_report_answer(
    follow_id: str, days: int, figures: Figures, orders: list[CopiedOrder], *, limit: int
) -> FollowReportAnswer:
    return FollowReportAnswer(
        follow_id=follow_id,
        days=days,
        totals=totals_answer(figures.totals),
        latencies=_latencies(figures.latencies),
        slippage=_slippage(figures.slippage),
        orders=[follow_row(order) for order in orders],
        cursor=orders[-1].order_id if len(orders) == limit else None,
    )


def why_answer(signal: Signal, explanation: Explanation) -> WhyAnswer:
    covered = explanation.outcome is not Outcome.NOT_COVERED
    return WhyAnswer(
        signal_id=signal.signal_id,
        seq=signal.seq,
        accepted_at=signal.stamps.accepted_at,
        outcome=explanation.outcome,
        reason=explanation.reason,
        sentence=explanation.sentence,
        figures=explanation.figures,
        order_signal_id=signal.parent_signal_id or signal.signal_id,
        signal=signal_answer(signal) if covered else None,
    )


def totals_answer(totals: Totals) -> TotalsAnswer:
    return TotalsAnswer.model_validate(totals, from_attributes=True)


def master_row(order: CopiedOrder) -> MasterRowAnswer:
    return MasterRowAnswer(
        account=f"…{order.account_id[-_SHORT:]}",
        sentence=general_sentence(order.state, order.reason),
        **_as_it_is(order, MasterRowAnswer),
    )


def follow_row(order: CopiedOrder) -> FollowRowAnswer:
    return FollowRowAnswer(
        sentence=own_sentence(order.state, order.reason, order.message),
        **_as_it_is(order, FollowRowAnswer),
    )


def _as_it_is(order: CopiedOrder, answer: type[BaseModel]) -> dict[str, Any]:
    """Take what an answer shows of an order unchanged: the fields of the same name."""
    return {name: getattr(order, name) for name in answer.model_fields if hasattr(order, name)}


def _latencies(latencies: list[Latency]) -> list[LatencyAnswer]:
    return [LatencyAnswer.model_validate(latency, from_attributes=True) for latency in latencies]


def _slippage(slippage: Slippage) -> SlippageAnswer:
    return SlippageAnswer(
        orders=slippage.orders,
        mean_bp=slippage.mean,
        p50_bp=slippage.p50,
        p90_bp=slippage.p90,
        p99_bp=slippage.p99,
        worst_bp=slippage.worst,
    )
