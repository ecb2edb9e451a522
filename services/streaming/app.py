"""Wiring of the streaming service: feeds of brokers to the bus, the bus to client sockets."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from functools import partial

import httpx
import structlog
from fastapi import FastAPI

from libs.contracts import topics
from libs.contracts.notices import notice_message
from libs.runtime.alarms import Alarms
from libs.runtime.background import keep
from libs.runtime.bus import KafkaLink, Publisher, TopicReader, check_partitions, open_bus
from libs.runtime.health import health_router
from libs.runtime.identity import Identities
from libs.runtime.internal_client import SessionSource
from libs.runtime.outbox import OutboxRelay
from libs.runtime.postgres import database_ready, enter_pool
from libs.runtime.problems import install_problem_handlers
from libs.runtime.redis import open_redis
from libs.runtime.vault import KeyRing
from services.streaming.feeding import POSTGRES_AWAY, Feeding, put_together
from services.streaming.frames import HEARTBEAT_S
from services.streaming.guard import SignInGuard
from services.streaming.relay import AWAY, RELAYED, Relay
from services.streaming.repository import SCHEMA, StreamingRepository
from services.streaming.routes import router
from services.streaming.sessions import BulkSessions
from services.streaming.settings import StreamingSettings
from services.streaming.sockets import Hub
from services.streaming.waiting import every

log = structlog.get_logger()

_BOARD_S = 0.5
_GUARD_S = 0.25
_POLL_S = 5.0
_POLL_WITHOUT_BUS_S = 1.0
_RENEW_S = 2.0


def build_app(settings: StreamingSettings) -> FastAPI:
    @asynccontextmanager
    async def connected(app: FastAPI) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            await _wire(app, stack, settings)
            yield

    async def ready() -> dict[str, bool]:
        # Once the relay has begun, a bus that is away makes clients stale, not this process.
        return {
            "postgres": await database_ready(app.state.repository.pool),
            "relay": app.state.hub.was_fresh,
        }

    app = FastAPI(title="Lockstep streaming", lifespan=connected)
    install_problem_handlers(app)
    app.include_router(router)
    app.include_router(health_router(ready))
    return app


async def _wire(app: FastAPI, stack: AsyncExitStack, settings: StreamingSettings) -> None:
    pool = await enter_pool(
        stack,
        settings.postgres_dsn.get_secret_value(),
        max_size=settings.postgres_pool_max,
        application_name=SCHEMA,
    )
    repository = StreamingRepository(pool)
    bus = open_bus(settings, client_id=SCHEMA)
    publisher = Publisher(bus)
    outbox = OutboxRelay(pool, SCHEMA, publisher)
    identities, sessions = await _signed_in_and_sessions(stack, settings)
    same_partitions = partial(
        check_partitions, settings.kafka_bootstrap_servers, pool, topics.SHARDED
    )
    link = await stack.enter_async_context(KafkaLink(bus, prepare=same_partitions))
    feeding = put_together(
        settings,
        repository=repository,
        publisher=publisher,
        alarms=Alarms(pool, SCHEMA, outbox, notice_message),
        sessions=sessions,
        partitions=await repository.partitions(),
    )
    hub = Hub(
        sockets_max=settings.sockets_max,
        sockets_per_user_max=settings.sockets_per_user_max,
        # Until the first look at the bus nobody can say that nothing is missed.
        stale_since=datetime.now(UTC),
    )
    app.state.identities = identities
    app.state.repository = repository
    app.state.hub = hub
    app.state.socket_frames_max = settings.socket_frames_max
    keep(stack, outbox.run(), "outbox-relay")
    await _keep_feeding(stack, feeding, hub)
    _keep_relaying(stack, settings, link, feeding, hub)
    keep(stack, _guard(identities, hub), "sign-in-guard")


async def _keep_feeding(stack: AsyncExitStack, feeding: Feeding, hub: Hub) -> None:
    await stack.enter_async_context(feeding.closing())

    def poll_s() -> float:
        return _POLL_S if hub.stale_since is None else _POLL_WITHOUT_BUS_S

    steps = {
        "accounts": (feeding.accounts.poll, poll_s),
        "leases": (feeding.leases.step, lambda: _RENEW_S),
        "board": (feeding.board.step, lambda: _BOARD_S),
        "outages": (feeding.outages.step, lambda: 1.0),
    }
    for name, (step, pause_s) in steps.items():
        keep(stack, every(pause_s, step, away=POSTGRES_AWAY), name)
    keep(stack, feeding.updates.run(), "updates")


def _keep_relaying(
    stack: AsyncExitStack, settings: StreamingSettings, link: KafkaLink, feeding: Feeding, hub: Hub
) -> None:
    relay = Relay(
        open_reader=lambda: TopicReader(settings.kafka_bootstrap_servers, RELAYED),
        bus_answers=link.ready,
        hub=hub,
        learn=feeding.accounts.learn,
    )

    async def heartbeat() -> None:
        hub.heartbeat(datetime.now(UTC))

    keep(stack, every(lambda: 1.0, relay.read, away=AWAY), "relay")
    keep(stack, every(lambda: 1.0, relay.watch, away=AWAY), "bus-watch")
    keep(stack, every(lambda: HEARTBEAT_S, heartbeat, away=()), "heartbeat")


async def _guard(identities: Identities, hub: Hub) -> None:
    guard = SignInGuard(identities=identities, hub=hub, step_s=_GUARD_S)
    await every(lambda: _GUARD_S, guard.step, away=())


async def _signed_in_and_sessions(
    stack: AsyncExitStack, settings: StreamingSettings
) -> tuple[Identities, BulkSessions]:
    redis = open_redis(settings.redis_url)
    stack.push_async_callback(redis.aclose)
    http = await stack.enter_async_context(httpx.AsyncClient(trust_env=False))
    token = settings.internal_service_token
    identities = Identities(
        redis, settings.auth_url, token, http, environment_name=settings.environment_name
    )
    keyring = KeyRing.from_setting(settings.session_encryption_key)
    source = SessionSource(redis, settings.auth_url, token, keyring, http)
    return identities, BulkSessions(source=source)
