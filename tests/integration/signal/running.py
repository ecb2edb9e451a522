"""The signal service in this process on real servers, and people who call it."""

import asyncio
import itertools
import secrets
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx
from fastapi import FastAPI
from pydantic import SecretStr
from uuid_utils import uuid7

from libs.contracts import codec, topics
from libs.runtime.bus import TopicReader
from libs.runtime.bus_reader import Record
from libs.runtime.outbox import Publishes
from libs.trading.follows import Follow
from libs.trading.signals import CopyMode, Signal
from services.signal.app import build_app
from services.signal.settings import SignalSettings
from tests.integration.signal.people import AuthThatKnows, auth_that_knows
from tests.servers import Database, Servers

SERVICE_TOKEN = "a service token of the tests"
TAG_KEY = "5c" * 32
HOST = "http://lockstep.test"

PLACE: dict[str, Any] = {
    "action": "PLACE",
    "instrument": "NSE:SBIN",
    "side": "BUY",
    "product": "INTRADAY",
    "terms": {"order_type": "LIMIT", "quantity": 10, "limit_price": "812.50"},
}

_keys = itertools.count(1)


def settings_for(servers: Servers, postgres_dsn: str, **changes: Any) -> SignalSettings:
    values: dict[str, Any] = {
        "kafka_bootstrap_servers": servers.kafka_bootstrap_servers,
        "postgres_dsn": SecretStr(postgres_dsn),
        "redis_url": servers.redis_url,
        "internal_service_token": SecretStr(SERVICE_TOKEN),
        "order_tag_key": SecretStr(TAG_KEY),
        "environment_name": "local",
    }
    return SignalSettings(**{**values, **changes})


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Somebody signed in by API key."""

    user_id: str
    http: httpx.AsyncClient

    async def emit(
        self, strategy_id: str, *, key: str | None = None, **changes: Any
    ) -> httpx.Response:
        """POST a PLACE, or what `changes` make of it; None leaves a field out."""
        body = {"strategy_id": strategy_id, **PLACE, **changes}
        return await self.http.post(
            "/signals",
            json={name: value for name, value in body.items() if value is not None},
            headers={"Idempotency-Key": key or f"key {next(_keys)}"},
        )

    async def open_strategy(
        self, name: str = "Momentum", copy_mode: CopyMode = CopyMode.ORDERS
    ) -> str:
        strategy = {"name": name, "copy_mode": copy_mode.value}
        answer = await self.http.post("/strategies", json=strategy)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["strategy_id"])

    async def begin_follow(
        self, strategy_id: str, account_id: str, sizing: Mapping[str, str] | None = None
    ) -> httpx.Response:
        return await self.http.post(
            "/follows",
            json={
                "strategy_id": strategy_id,
                "account_id": account_id,
                "sizing": sizing or {"mode": "MULTIPLIER", "value": "0.5"},
            },
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningService:
    app: FastAPI
    auth: AuthThatKnows
    database: Database
    open_clients: list[httpx.AsyncClient]

    async def person(self, *roles: str) -> Person:
        """Sign somebody new in, by API key."""
        user_id, api_key = str(uuid7()), f"lsk_{secrets.token_urlsafe(24)}"
        await self.auth.remember("api_key", api_key, user_id, roles)
        return Person(user_id=user_id, http=self.client({"Authorization": f"Bearer {api_key}"}))

    async def master(self) -> tuple[Person, str]:
        """Return a new master and a strategy of theirs."""
        master = await self.person("master")
        return master, await master.open_strategy()

    def client(self, headers: Mapping[str, str] | None = None) -> httpx.AsyncClient:
        client = httpx.AsyncClient(
            transport=httpx.ASGITransport(self.app, raise_app_exceptions=False),
            base_url=HOST,
            headers=headers,
        )
        self.open_clients.append(client)
        return client


@asynccontextmanager
async def running_service(
    servers: Servers,
    database: Database,
    *,
    publisher: Publishes | None = None,
    postgres_dsn: str | None = None,
    await_kafka: bool = True,
    **changes: Any,
) -> AsyncIterator[RunningService]:
    clients: list[httpx.AsyncClient] = []
    async with auth_that_knows(servers.redis_url) as auth, AsyncExitStack() as stack:
        dsn = postgres_dsn or database.dsn("signal")
        settings = settings_for(servers, dsn, **{"auth_url": auth.url, **changes})
        app = build_app(settings, publisher=publisher)
        await stack.enter_async_context(app.router.lifespan_context(app))
        if await_kafka:
            await app.state.kafka.wait_started()
        yield RunningService(app=app, auth=auth, database=database, open_clients=clients)
        for client in clients:
            await client.aclose()


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    partition: int
    key: str
    event: Signal | Follow


class Listener:
    """Hears what concerns one master on all partitions of a topic, once it is opened."""

    def __init__(self, reader: TopicReader, topic: str, master_id: str) -> None:
        self.heard: list[Heard] = []
        self._reader = reader
        self._topic = topic
        self._master_id = master_id

    async def wait_for(self, count: int, timeout_s: float = 30) -> list[Heard]:
        """Return everything heard once it is so many records, or fail."""
        if len(self.heard) >= count:
            return self.heard
        try:
            async with asyncio.timeout(timeout_s):
                async for batch in self._reader.batches():
                    self._hear(batch)
                    if len(self.heard) >= count:
                        break
        except TimeoutError:
            raise AssertionError(f"heard {len(self.heard)} of {count} records") from None
        return self.heard

    def signals(self, partition: int) -> list[Signal]:
        """Return the signals of one partition in their order there."""
        return [
            item.event
            for item in self.heard
            if item.partition == partition and isinstance(item.event, Signal)
        ]

    def follows(self) -> list[Follow]:
        return [item.event for item in self.heard if isinstance(item.event, Follow)]

    def _hear(self, batch: Sequence[Record]) -> None:
        for record in batch:
            event = codec.decode(self._topic, record.value or b"")
            if isinstance(event, Signal | Follow) and event.master_id == self._master_id:
                key = (record.key or b"").decode()
                self.heard.append(Heard(partition=record.partition, key=key, event=event))


@asynccontextmanager
async def listening(
    servers: Servers, master_id: str, topic: str = topics.SIGNALS
) -> AsyncIterator[Listener]:
    reader = TopicReader(servers.kafka_bootstrap_servers, [topic])
    await reader.start()
    try:
        yield Listener(reader, topic, master_id)
    finally:
        await reader.stop()
