"""What every route of signal needs from a request: who asks, and the parts of the app."""

from typing import Annotated

from fastapi import Depends, Query, Request

from libs.runtime.identity import Principal, Role, requires
from services.signal.capture_repository import CaptureRepository
from services.signal.flow import SignalFlow
from services.signal.report_queries import ReportQueries
from services.signal.repository import SignalRepository
from services.signal.webhooks import WebhookFlow
from services.signal.webhooks_repository import WebhookRepository

# Coroutines all of them: FastAPI would take a thread for each of the others.


async def _flow(request: Request) -> SignalFlow:
    flow: SignalFlow = request.app.state.flow
    return flow


async def _repository(request: Request) -> SignalRepository:
    repository: SignalRepository = request.app.state.repository
    return repository


async def _queries(request: Request) -> ReportQueries:
    queries: ReportQueries = request.app.state.reports.queries
    return queries


async def _captures(request: Request) -> CaptureRepository:
    captures: CaptureRepository = request.app.state.capture_repository
    return captures


async def _webhooks(request: Request) -> WebhookFlow:
    flow: WebhookFlow = request.app.state.webhooks
    return flow


async def _webhook_rows(request: Request) -> WebhookRepository:
    repository: WebhookRepository = request.app.state.webhook_repository
    return repository


Flow = Annotated[SignalFlow, Depends(_flow)]
Repository = Annotated[SignalRepository, Depends(_repository)]
Queries = Annotated[ReportQueries, Depends(_queries)]
Captures = Annotated[CaptureRepository, Depends(_captures)]
Webhooks = Annotated[WebhookFlow, Depends(_webhooks)]
WebhookRows = Annotated[WebhookRepository, Depends(_webhook_rows)]
Anyone = Annotated[Principal, requires()]
Master = Annotated[Principal, requires(Role.MASTER)]
Follower = Annotated[Principal, requires(Role.FOLLOWER)]
PageSize = Annotated[int, Query(ge=1, le=200)]
