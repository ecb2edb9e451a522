"""Wiring of auth: ledger, cache, bus, brokers, the flows, the routes and what runs by itself."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import asyncpg
from fastapi import FastAPI
from pydantic_settings import BaseSettings

from libs.contracts import codec, topics
from libs.contracts.codec import Record, Undecodable
from libs.runtime.background import keep
from libs.runtime.bus import SUBSCRIBE, KafkaBus, KafkaLink, Publisher, check_partitions, open_bus
from libs.runtime.health import health_router
from libs.runtime.identity import cookie_name
from libs.runtime.outbox import OutboxRelay
from libs.runtime.postgres import database_ready, open_pool
from libs.runtime.problems import install_problem_handlers
from libs.runtime.redis import open_redis
from libs.runtime.vault import KeyRing
from services.auth import (
    routes_brokers,
    routes_callback,
    routes_evidence,
    routes_internal,
    routes_notifications,
    routes_people,
)
from services.auth.brokers import Brokers, manifest_of
from services.auth.copies import Copies
from services.auth.credentials import Strongbox
from services.auth.demo import create_demo_admin
from services.auth.evidence import EvidenceFlow
from services.auth.flow import ConnectionFlow
from services.auth.identities import OwnIdentities
from services.auth.inbox import Inbox
from services.auth.margins import Margins
from services.auth.passwords import Passwords, passwords_of
from services.auth.people import PeopleFlow
from services.auth.repository_accounts import AccountRepository
from services.auth.repository_evidence import EvidenceRepository
from services.auth.repository_identities import IdentityRepository
from services.auth.repository_notifications import NotificationRepository
from services.auth.repository_people import PeopleRepository
from services.auth.repository_sessions import SessionRepository
from services.auth.repository_states import StateRepository
from services.auth.settings import AuthSettings, PlatformApps
from services.auth.sweeper import Sweeper


def build_app(
    settings: AuthSettings, platform_apps: BaseSettings, *, passwords: Passwords | None = None
) -> FastAPI:
    """Wire the service. It is up without Kafka and Redis; without Postgres it lets nobody in.

    `passwords` stands in for the real cost of a hash in tests that sign many people in.
    """

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            app.state.passwords = passwords or passwords_of(settings.environment_name)
            await _start(app, settings, PlatformApps(platform_apps), stack)
            yield

    async def ready() -> dict[str, bool]:
        # Losing Kafka delays events and losing Redis loses nothing: neither keeps people out.
        return {"postgres": await database_ready(app.state.pool)}

    app = FastAPI(title="Lockstep auth", lifespan=lifespan)
    install_problem_handlers(app)
    for router in (
        routes_people.router,
        *routes_brokers.routers,
        routes_callback.router,
        routes_evidence.router,
        routes_notifications.router,
        routes_internal.router,
        health_router(ready),
    ):
        app.include_router(router)
    return app


async def _start(
    app: FastAPI, settings: AuthSettings, apps: PlatformApps, stack: AsyncExitStack
) -> None:
    pool = await open_pool(
        settings.postgres_dsn.get_secret_value(),
        max_size=settings.postgres_pool_max,
        application_name="auth",
    )
    stack.push_async_callback(pool.close)
    redis = open_redis(settings.redis_url)
    stack.push_async_callback(redis.aclose)
    bus = open_bus(settings, client_id="auth")
    relay = OutboxRelay(pool, "auth", Publisher(bus))
    copies = Copies(redis)
    brokers = Brokers(settings.simulator_url, settings.simulator_public_url)
    stack.push_async_callback(brokers.aclose)

    _know_people(app, settings, pool, copies)
    partitions = int(await pool.fetchval("select partitions from public.installation"))
    accounts = AccountRepository(pool, partitions, copies)
    app.state.connections = _connections(settings, apps, pool, accounts, copies, brokers, relay)
    app.state.evidence = EvidenceFlow(
        papers=EvidenceRepository(pool, accounts, copies),
        manifest_of=manifest_of,
        wake_outbox=relay.wake,
    )
    app.state.notifications = NotificationRepository(pool)
    app.state.sessions = SessionRepository(pool, copies)
    app.state.pool = pool
    await create_demo_admin(settings.environment_name, app.state.people)

    _subscribe(bus, Inbox(app.state.notifications))

    async def same_partitions() -> int:
        return await check_partitions(
            settings.kafka_bootstrap_servers, pool, [topics.SESSION_EVENTS]
        )

    app.state.link = await stack.enter_async_context(KafkaLink(bus, prepare=same_partitions))
    ends = (app.state.connections.expire, app.state.evidence.close_run_out)
    sweeper = Sweeper(pool, ends, every_s=settings.sweep_every_s)
    keep(stack, relay.run(), "outbox-relay")
    keep(stack, sweeper.run(), "sweeper")


def _know_people(app: FastAPI, settings: AuthSettings, pool: asyncpg.Pool, copies: Copies) -> None:
    app.state.users = PeopleRepository(pool, copies)
    app.state.people = PeopleFlow(people=app.state.users, passwords=app.state.passwords)
    app.state.identified = IdentityRepository(pool, copies)
    app.state.identities = OwnIdentities(
        cookie_name=cookie_name(settings.environment_name),
        service_token=settings.internal_service_token,
        people=app.state.identified,
    )


def _connections(
    settings: AuthSettings,
    apps: PlatformApps,
    pool: asyncpg.Pool,
    accounts: AccountRepository,
    copies: Copies,
    brokers: Brokers,
    relay: OutboxRelay,
) -> ConnectionFlow:
    return ConnectionFlow(
        states=StateRepository(pool),
        accounts=accounts,
        sessions=SessionRepository(pool, copies),
        brokers=brokers,
        apps=apps,
        strongbox=Strongbox(
            KeyRing.from_setting(settings.encryption_key),
            KeyRing.from_setting(settings.session_encryption_key),
        ),
        margins=Margins(),
        manifest_of=manifest_of,
        wake_outbox=relay.wake,
    )


def _subscribe(bus: KafkaBus, inbox: Inbox) -> None:
    @bus.subscriber(  # type: ignore[untyped-decorator]  # FastStream types it loosely
        topics.NOTICES, group_id="auth.notices", decoder=codec.decode_batch, **SUBSCRIBE
    )
    async def on_notices(records: list[Record | Undecodable]) -> None:
        await inbox.take(records)
        # The bus injects nothing (apply_types is off), so the message is taken from its context.
        await bus.context.get_local("message").ack()
