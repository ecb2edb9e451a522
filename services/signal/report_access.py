"""Who may see which report: a master their own signals, a follower their own follows."""

from typing import Annotated
from uuid import UUID

from fastapi import Depends, Request

from libs.runtime.identity import Principal, Role, requires
from libs.trading.signals import Signal
from services.signal import refusals
from services.signal.records import StoredFollow
from services.signal.report_queries import ReportQueries
from services.signal.repository import SignalRepository


async def _queries(request: Request) -> ReportQueries:
    queries: ReportQueries = request.app.state.reports.queries
    return queries


async def _repository(request: Request) -> SignalRepository:
    repository: SignalRepository = request.app.state.repository
    return repository


Queries = Annotated[ReportQueries, Depends(_queries)]
Repository = Annotated[SignalRepository, Depends(_repository)]
Master = Annotated[Principal, requires(Role.MASTER)]
Follower = Annotated[Principal, requires(Role.FOLLOWER)]


async def own_signal(signal_id: UUID, master: Principal, repository: SignalRepository) -> Signal:
    """Find a signal of the caller. Raise `Problem` when it is not theirs, or not at all."""
    signal = await repository.signal_of(master.user_id, str(signal_id))
    if signal is None:
        raise refusals.signal_unknown()
    return signal


async def own_follow(
    follow_id: UUID, follower: Principal, repository: SignalRepository
) -> StoredFollow:
    """Find a follow of the caller. Raise `Problem` when it is not theirs, or not at all."""
    stored = await repository.follow_of(follower.user_id, str(follow_id))
    if stored is None:
        raise refusals.follow_unknown()
    return stored
