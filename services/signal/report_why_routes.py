"""HTTP of "why was I not copied?": one signal, or all that a follow covers, each answered."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query

from libs.trading.follows import Follow
from libs.trading.signals import Signal, SignalAction
from services.signal import refusals
from services.signal.report_access import own_follow
from services.signal.report_answers import (
    WhyAnswer,
    WhyListAnswer,
    WhyWithOrdersAnswer,
    follow_row,
    why_answer,
)
from services.signal.report_explaining import Explanation, explained
from services.signal.report_queries import ReportQueries
from services.signal.report_records import CopiedOrder
from services.signal.requests import Follower, PageSize, Queries, Repository

router = APIRouter()


@router.get("/reports/follows/{follow_id}/signals")
async def why_of_all(
    follow_id: UUID,
    follower: Follower,
    repository: Repository,
    queries: Queries,
    before: Annotated[int | None, Query(ge=1, description="The cursor of the page before.")] = None,
    limit: PageSize = 50,
) -> WhyListAnswer:
    """List the signals an own follow covers, each with what became of it, an order or none."""
    follow = (await own_follow(follow_id, follower, repository)).follow
    signals = await queries.covered_signals(follow, before_seq=before, limit=limit)
    answers: list[WhyAnswer] = [
        why_answer(signal, explanation)
        for signal, explanation, _ in await _explained(follow, signals, queries)
    ]
    return WhyListAnswer(
        signals=answers, cursor=str(signals[-1].seq) if len(signals) == limit else None
    )


@router.get("/reports/follows/{follow_id}/signals/{signal_id}")
async def why_of_one(
    follow_id: UUID,
    signal_id: UUID,
    follower: Follower,
    repository: Repository,
    queries: Queries,
) -> WhyWithOrdersAnswer:
    """Say why an own follow copied one signal of its strategy, or why not, as of seconds ago."""
    follow = (await own_follow(follow_id, follower, repository)).follow
    signal = await queries.signal_of_strategy(follow.strategy_id, str(signal_id))
    if signal is None:
        raise refusals.signal_not_of_this_strategy()
    [(_, explanation, orders)] = await _explained(follow, [signal], queries)
    return WhyWithOrdersAnswer(
        **dict(why_answer(signal, explanation)), orders=[follow_row(order) for order in orders]
    )


async def _explained(
    follow: Follow, signals: Sequence[Signal], queries: ReportQueries
) -> list[tuple[Signal, Explanation, list[CopiedOrder]]]:
    orders = await queries.orders_of_follow_and_signals(
        follow.follow_id, list({_order_signal_id(signal) for signal in signals})
    )
    exits = {signal.instrument for signal in signals if signal.action is SignalAction.EXIT}
    since = await queries.opened(follow, list(exits)) if exits else {}
    now = datetime.now(UTC)
    found = []
    for signal in signals:
        own = [order for order in orders if order.signal_id == _order_signal_id(signal)]
        opened_at = since.get((signal.instrument, signal.product.value if signal.product else ""))
        opened = opened_at is not None and opened_at <= signal.stamps.accepted_at
        found.append((signal, explained(follow, signal, own, opened=opened, now=now), own))
    return found


def _order_signal_id(signal: Signal) -> str:
    return signal.parent_signal_id or signal.signal_id
