"""HTTP of the copy reports: per signal for its master, per follow for its follower, as CSV too."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response, StreamingResponse

from libs.trading.signals import Signal
from services.signal.answers import signal_answer
from services.signal.report_access import own_follow, own_signal
from services.signal.report_answers import (
    FollowReportAnswer,
    FollowRowAnswer,
    MasterRowAnswer,
    SignalReportAnswer,
    SignalReportsAnswer,
    SignalTotalsAnswer,
    follow_report_answer,
    follow_row,
    master_row,
    signal_report_answer,
    totals_answer,
)
from services.signal.report_csv import MEDIA_TYPE, PAGE, asked_for_csv, csv_answer
from services.signal.report_queries import ReportQueries
from services.signal.report_records import Totals
from services.signal.report_why_routes import router as why_router
from services.signal.requests import Follower, Master, PageSize, Queries, Repository

router = APIRouter(tags=["reports"])
router.include_router(why_router)

Days = Annotated[int, Query(ge=1, le=4_000, description="Orders planned within that many days.")]
_CSV: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "All orders of the report",
        "content": {MEDIA_TYPE: {"schema": {"type": "string"}}},
    }
}
_JSON_OR_CSV: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The report; with `Accept: text/csv` all its orders instead",
        "content": {MEDIA_TYPE: {"schema": {"type": "string"}}},
    }
}


@router.get("/reports/signals")
async def recent_signals(
    master: Master,
    repository: Repository,
    queries: Queries,
    before: Annotated[int | None, Query(ge=1, description="The cursor of the page before.")] = None,
    limit: PageSize = 50,
) -> SignalReportsAnswer:
    """List own signals, newest first, each with what became of it up to some seconds ago."""
    signals = await repository.signals_of(master.user_id, before_seq=before, limit=limit)
    totals = await queries.totals_of_signals([signal.signal_id for signal in signals])
    more = len(signals) == limit and signals[-1].seq > 1
    return SignalReportsAnswer(
        signals=[
            SignalTotalsAnswer(
                signal=signal_answer(signal),
                totals=totals_answer(totals.get(signal.signal_id, Totals())),
            )
            for signal in signals
        ],
        cursor=str(signals[-1].seq) if more else None,
    )


# Before the route of the bare id, which would take the ending for a part of it.
@router.get("/reports/signals/{signal_id}.csv", response_class=Response, responses=_CSV)
async def signal_report_as_csv(
    signal_id: UUID, master: Master, repository: Repository, queries: Queries
) -> StreamingResponse:
    """Export all orders of one own signal."""
    signal = await own_signal(signal_id, master, repository)
    return await _signal_csv(signal, queries)


@router.get(
    "/reports/signals/{signal_id}", response_model=SignalReportAnswer, responses=_JSON_OR_CSV
)
async def signal_report(
    request: Request,
    signal_id: UUID,
    master: Master,
    repository: Repository,
    queries: Queries,
    after: Annotated[UUID | None, Query(description="The cursor of the page before.")] = None,
    limit: PageSize = 100,
) -> SignalReportAnswer | StreamingResponse:
    """Show what became of one own signal at all its followers, up to some seconds ago."""
    signal = await own_signal(signal_id, master, repository)
    if asked_for_csv(request):
        return await _signal_csv(signal, queries)
    figures = await queries.figures_of_signal(signal.signal_id)
    orders = await queries.orders_of_signal(signal.signal_id, after=_text(after), limit=limit)
    return signal_report_answer(signal, figures, orders, limit=limit)


@router.get("/reports/follows/{follow_id}.csv", response_class=Response, responses=_CSV)
async def follow_report_as_csv(
    follow_id: UUID, follower: Follower, repository: Repository, queries: Queries, days: Days = 30
) -> StreamingResponse:
    """Export the orders of one own follow, newest first."""
    stored = await own_follow(follow_id, follower, repository)
    return await _follow_csv(stored.follow.follow_id, queries, days)


@router.get(
    "/reports/follows/{follow_id}", response_model=FollowReportAnswer, responses=_JSON_OR_CSV
)
async def follow_report(
    request: Request,
    follow_id: UUID,
    follower: Follower,
    repository: Repository,
    queries: Queries,
    days: Days = 30,
    before: Annotated[UUID | None, Query(description="The cursor of the page before.")] = None,
    limit: PageSize = 100,
) -> FollowReportAnswer | StreamingResponse:
    """Show what one own follow copied, what it did not and why, up to some seconds ago."""
    stored = await own_follow(follow_id, follower, repository)
    own_id = stored.follow.follow_id
    if asked_for_csv(request):
        return await _follow_csv(own_id, queries, days)
    figures = await queries.figures_of_follow(own_id, days=days)
    orders = await queries.orders_of_follow(own_id, days=days, before=_text(before), limit=limit)
    return follow_report_answer(own_id, days, figures, orders, limit=limit)


async def _signal_csv(signal: Signal, queries: ReportQueries) -> StreamingResponse:
    async def page(last: MasterRowAnswer | None) -> list[MasterRowAnswer]:
        orders = await queries.orders_of_signal(
            signal.signal_id, after=last.order_id if last else None, limit=PAGE
        )
        return [master_row(order) for order in orders]

    return await csv_answer(MasterRowAnswer, page, name=f"signal-{signal.seq}")


async def _follow_csv(follow_id: str, queries: ReportQueries, days: int) -> StreamingResponse:
    async def page(last: FollowRowAnswer | None) -> list[FollowRowAnswer]:
        orders = await queries.orders_of_follow(
            follow_id, days=days, before=last.order_id if last else None, limit=PAGE
        )
        return [follow_row(order) for order in orders]

    return await csv_answer(FollowRowAnswer, page, name=f"follow-{follow_id}")


def _text(cursor: UUID | None) -> str | None:
    return str(cursor) if cursor else None
