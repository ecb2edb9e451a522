"""Wiring of the signal service: ledger, bus, outbox, identities, routes."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import asyncpg
import httpx
from fastapi import FastAPI

from libs.contracts import topics
from libs.contracts.notices import notice_message
from libs.runtime.alarms import Alarms
from libs.runtime.background import keep
from libs.runtime.bus import KafkaLink, Publisher, check_partitions, open_bus
from libs.runtime.health import health_router
from libs.runtime.identity import Identities
from libs.runtime.outbox import OutboxRelay, Publishes
from libs.runtime.postgres import database_ready, enter_pool
from libs.runtime.problems import install_problem_handlers
from libs.runtime.redis import open_redis
from services.signal.backlog import Backlog
from services.signal.capture_repository import CaptureRepository
from services.signal.capture_routes import router as capture_router
from services.signal.capture_wiring import enter_capture
from services.signal.flow import SignalFlow
from services.signal.publication import Publication
from services.signal.report_routes import router as report_router
from services.signal.report_wiring import enter_reports
from services.signal.repository import SignalRepository
from services.signal.repository_counter import SCHEMA
from services.signal.routes import router
from services.signal.settings import SignalSettings
from services.signal.webhooks import WebhookFlow
from services.signal.webhooks_pace import Pace
from services.signal.webhooks_repository import WebhookRepository
from services.signal.webhooks_routes import router as webhooks_router

_SHARDED_TOPICS = (topics.SIGNALS, topics.FOLLOW_EVENTS)
# Younger rows are on their way from memory; the relay takes what stays longer.
_FRESH_S = 0.25


def build_app(settings: SignalSettings, *, publisher: Publishes | None = None) -> FastAPI:
    """Wire the service. `publisher` stands in for Kafka's in tests of its failures."""

    @asynccontextmanager
    async def connected(app: FastAPI) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            pool = await enter_pool(
                stack,
                settings.postgres_dsn.get_secret_value(),
                max_size=settings.postgres_pool_max,
                application_name="signal",
            )
            await _wire(app, stack, settings, pool, publisher)
            yield

    async def ready() -> dict[str, bool]:
        # Without Kafka signals are taken all the same, so it does not count here.
        return {"postgres": await database_ready(app.state.pool)}

    app = FastAPI(title="Lockstep signal", lifespan=connected)
    install_problem_handlers(app)
    app.include_router(router)
    app.include_router(webhooks_router)
    app.include_router(capture_router)
    app.include_router(report_router)
    app.include_router(health_router(ready))
    return app


async def _wire(
    app: FastAPI,
    stack: AsyncExitStack,
    settings: SignalSettings,
    pool: asyncpg.Pool,
    publisher: Publishes | None,
) -> None:
    repository = SignalRepository(pool)
    bus = open_bus(settings, client_id="signal")
    relay = OutboxRelay(pool, SCHEMA, publisher or Publisher(bus), grace_s=_FRESH_S)
    publication = Publication(relay.publish_fresh)
    alarms = Alarms(pool, SCHEMA, relay, notice_message)
    backlog = Backlog(repository.waiting_rows, settings.backlog_max, alarms)

    async def same_partitions() -> int:
        return await check_partitions(settings.kafka_bootstrap_servers, pool, _SHARDED_TOPICS)

    app.state.pool = pool
    app.state.repository = repository
    app.state.identities = await _identities(stack, settings)
    app.state.flow = SignalFlow(
        ledger=repository,
        backlog=backlog,
        publication=publication,
        partitions=await repository.partitions(),
    )
    app.state.capture_repository = CaptureRepository(pool)
    app.state.webhook_repository = WebhookRepository(pool)
    app.state.webhooks = WebhookFlow(
        book=app.state.webhook_repository, signals=app.state.flow, pace=Pace()
    )
    app.state.kafka = await stack.enter_async_context(KafkaLink(bus, prepare=same_partitions))
    keep(stack, relay.run(), "outbox-relay")
    keep(stack, backlog.watch(), "backlog")
    keep(stack, publication.run(), "publication")
    stack.push_async_callback(publication.drain)
    app.state.capture = await enter_capture(stack, settings, pool, app.state.flow)
    app.state.reports = await enter_reports(stack, settings)


async def _identities(stack: AsyncExitStack, settings: SignalSettings) -> Identities:
    redis = open_redis(settings.redis_url)
    stack.push_async_callback(redis.aclose)
    http = await stack.enter_async_context(httpx.AsyncClient(trust_env=False))
    return Identities(
        redis,
        settings.auth_url,
        settings.internal_service_token,
        http,
        environment_name=settings.environment_name,
    )
