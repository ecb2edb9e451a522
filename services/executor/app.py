"""Wires one executor replica: consumer, loops, routes."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial

import httpx
from aiokafka import ConsumerRebalanceListener
from fastapi import FastAPI
from redis.asyncio import Redis

from libs.brokers import registry
from libs.brokers.manifest import BrokerManifest
from libs.brokers.protocol import InstrumentBook
from libs.contracts import codec, topics
from libs.contracts.codec import Record, Undecodable
from libs.contracts.notices import notice_message
from libs.runtime.alarms import Alarms
from libs.runtime.background import keep
from libs.runtime.bus import SUBSCRIBE, KafkaBus, KafkaLink, Publisher, check_partitions, open_bus
from libs.runtime.health import health_router
from libs.runtime.identity import Identities
from libs.runtime.internal_client import SessionSource
from libs.runtime.outbox import OutboxRelay
from libs.runtime.postgres import database_ready, enter_pool
from libs.runtime.problems import install_problem_handlers
from libs.runtime.redis import open_redis
from libs.runtime.vault import KeyRing
from services.executor.account_limits import AccountLimitRows
from services.executor.events import HistoryPublisher
from services.executor.gateways import OpenGateways
from services.executor.previewing import Previews
from services.executor.replica import Replica, build_replica, watched
from services.executor.routes import router
from services.executor.settings import ExecutorSettings
from services.executor.watching import Watch
from services.executor.without_kafka import WithoutKafka

Plan = Callable[[Sequence[Record | Undecodable]], Awaitable[bool]]

# A request to a broker takes ten seconds at the most; its outcome is written after that.
_DRAIN_S = 11.0
_CLAIM_S = 3.0


def build_app(settings: ExecutorSettings) -> FastAPI:
    """Wire one replica. It is up without Kafka and Redis, and sends nothing without Postgres."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            await _start(app, settings, stack)
            yield

    async def ready() -> dict[str, bool]:
        return {
            "postgres": await database_ready(app.state.pool),
            "kafka": await app.state.link.ready(),
            "shards": app.state.replica.shards.settled,
        }

    app = FastAPI(title="Lockstep executor", version="1", lifespan=lifespan)
    install_problem_handlers(app)
    app.include_router(router)
    app.include_router(health_router(ready))
    return app


async def _start(app: FastAPI, settings: ExecutorSettings, stack: AsyncExitStack) -> None:
    pool = await enter_pool(
        stack,
        settings.postgres_dsn.get_secret_value(),
        max_size=settings.postgres_pool_max,
        application_name=f"executor.{settings.broker}",
    )
    redis = open_redis(settings.redis_url)
    stack.push_async_callback(redis.aclose)
    http = await stack.enter_async_context(httpx.AsyncClient(trust_env=False))
    partitions = await pool.fetchval("SELECT partitions FROM public.installation")
    manifest = registry.manifest(settings.broker)
    gateways = OpenGateways(manifest, settings.simulator_url(settings.broker))
    stack.push_async_callback(gateways.aclose)
    source = _session_source(settings, redis, http)
    bus = open_bus(
        # What an executor publishes are reports: they may wait to travel together.
        settings,
        client_id=f"executor.{settings.broker}",
        linger_ms=5,
    )
    publisher = Publisher(bus)
    relay = OutboxRelay(pool, "executor", publisher)
    alarms = Alarms(pool, "executor", relay, notice_message)
    replica = build_replica(settings, pool, source, gateways, partitions, alarms)
    history = HistoryPublisher(
        pool, publisher, settings.broker, replica.shards.mine, replica.ledger.rush
    )
    replica.ledger.on_change += [history.wake, relay.wake]
    subscribe(bus, settings.broker, replica.shards, replica.work.plan)

    async def same_partitions() -> int:
        return await check_partitions(settings.kafka_bootstrap_servers, pool, topics.SHARDED)

    app.state.pool = pool
    app.state.replica = replica
    app.state.repository = replica.repository
    app.state.previews = Previews(
        repository=replica.repository,
        limits=AccountLimitRows(pool),
        standings=replica.work.flow.standings,
        books=partial(broker_book, settings),
    )
    app.state.identities = Identities(
        redis,
        settings.auth_url,
        settings.internal_service_token,
        http,
        environment_name=settings.environment_name,
    )
    keep(stack, relay.run(), "outbox-relay")
    keep(stack, history.run(), "order-events")
    stack.push_async_callback(replica.work.flow.prices.aclose)
    # Runs once the consumer has left its group.
    stack.push_async_callback(replica.shards.give_up)
    app.state.link = await stack.enter_async_context(KafkaLink(bus, prepare=same_partitions))
    _watch(stack, settings, replica, alarms, app.state.link)
    keep(stack, replica.work.flow.departure.clock.keep(), "clock")
    _keep_working(stack, replica)


def _watch(
    stack: AsyncExitStack,
    settings: ExecutorSettings,
    replica: Replica,
    alarms: Alarms,
    link: KafkaLink,
) -> None:
    """Look at Kafka and at whatever else may be away, and raise the alarms of this replica."""
    without_kafka = WithoutKafka(
        bus_ready=link.ready,
        emitted=replica.repository,
        followers=replica.work.followers,
        shards=replica.shards,
        plan=replica.work.plan,
        refilled=replica.work.flow.refilled,
    )
    watch = Watch(
        alarms,
        watched(settings, replica, without_kafka.away),
        replica.repository.open_alarms,
    )
    keep(stack, replica.work.watch(watch), "alarms")
    keep(stack, replica.work.read_signals(without_kafka), "signals-without-kafka")


def broker_book(settings: ExecutorSettings, broker: str) -> tuple[BrokerManifest, InstrumentBook]:
    """Give what any broker takes and lists."""
    manifest = registry.manifest(broker)
    return manifest, OpenGateways(manifest, settings.simulator_url(broker)).instruments()


def _session_source(
    settings: ExecutorSettings, redis: Redis, http: httpx.AsyncClient
) -> SessionSource:
    return SessionSource(
        redis,
        settings.auth_url,
        settings.internal_service_token,
        KeyRing.from_setting(settings.session_encryption_key),
        http,
    )


def subscribe(bus: KafkaBus, broker: str, listener: ConsumerRebalanceListener, plan: Plan) -> None:
    """Read everything an executor reads through one consumer: so its partitions stay together."""

    @bus.subscriber(  # type: ignore[untyped-decorator]  # FastStream types it loosely
        *topics.EXECUTOR_INPUT,
        group_id=f"executor.{broker}",
        decoder=codec.decode_batch,
        listener=listener,
        **SUBSCRIBE,
    )
    async def on_records(records: list[Record | Undecodable]) -> None:
        # The acknowledgement follows the durable write, never the broker's answer. The bus
        # injects nothing (apply_types is off), so the message is taken from its context.
        if await plan(records):
            await bus.context.get_local("message").ack()


def _keep_working(stack: AsyncExitStack, replica: Replica) -> None:
    work = replica.work
    keep(stack, replica.ledger.write_batches(), "outcomes")
    keep(stack, replica.shards.keep(), "shards")
    keep(stack, work.fetch_sessions(), "sessions")
    keep(stack, work.refresh(), "refresh")
    keep(stack, work.sweep(), "sweep")
    for name, loop in replica.reconciliation.loops(work.every).items():
        keep(stack, loop, name)
    dispatching = keep(stack, work.dispatch(), "dispatch")
    # The last in is the first out: nothing else stops before this is done.
    stack.push_async_callback(_drain, replica, dispatching)


async def _drain(replica: Replica, dispatching: asyncio.Task[None]) -> None:
    """Claim nothing more, let what is on the wire come back, and write it down.

    The shards are given back right after this.
    """
    replica.lanes.close()
    await asyncio.wait([dispatching], timeout=_CLAIM_S)
    await replica.lanes.drain(_DRAIN_S)
    await replica.ledger.flush()
