"""Accounts at a simulator, people signed in, and what streaming makes of them."""

import asyncio
import json
import secrets
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import asyncpg
import httpx
from cryptography.fernet import Fernet
from pydantic import SecretStr
from redis.asyncio import Redis
from uuid_utils import uuid7
from websockets.asyncio.client import ClientConnection, connect

from libs.brokers.manifest import BrokerManifest
from libs.brokers.protocol import BrokerSession, LoginGrant, OrderGateway, PlatformApp
from libs.brokers.registry import BROKERS, manifest
from libs.contracts import codec, topics
from libs.runtime.bus import KafkaBus, Publisher, TopicReader, open_bus
from libs.runtime.identity import Role, token_hash
from libs.runtime.internal_client import session_place
from libs.runtime.settings import KafkaSettings
from libs.runtime.vault import KeyRing
from libs.trading.accounts import Account, Environment, SessionState
from libs.trading.events import BrokerUpdate, Notice, OrderChanged
from libs.trading.orders import (
    OrderIntent,
    OrderReport,
    OrderTerms,
    OrderType,
    Product,
    Side,
    Validity,
)
from libs.trading.shards import shard_of
from tests.factories import an_account
from tests.integration.streaming.programs import (
    AuthThatKnowsNobody,
    CuttableLine,
    Running,
    free_port,
    running_program,
)
from tests.servers import PARTITIONS, Database, Servers

BROKER = next(name for name in BROKERS if manifest(name).order_feed)
INSTRUMENT = "NSE:SBIN"

_REPLACE_VIEW = """
    alter view auth.accounts_now rename to accounts_now_as_migrated;
    create table auth.accounts_now (like auth.accounts_now_as_migrated, unique (account_id));
    grant select on auth.accounts_now to lockstep_streaming;
"""
_PUT_ACCOUNT = """
    insert into auth.accounts_now (account_id, user_id, broker, kind, version, session_state,
        environment, regime, broker_client_id, session_expires_at, changed_at)
    values ($1::uuid, $2::uuid, $3, $4, $5, $6, $7, $8, $9, $10, clock_timestamp())
    on conflict (account_id) do update set version = excluded.version,
        session_state = excluded.session_state, changed_at = excluded.changed_at
"""


@dataclass(kw_only=True)
class SimulatedBroker:
    """The simulator's process; `url` is behind a line that can be cut, `direct_url` is not."""

    direct_url: str
    line: CuttableLine
    http: httpx.AsyncClient
    doors: BrokerManifest
    gateway: OrderGateway

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.line.port}"

    async def log_in(self, client_id: str) -> LoginGrant:
        state = (await self.http.get("/_control/state")).json()
        app = PlatformApp(
            app_id=state["app_id"], secret="paper-secret", redirect_uri="http://127.0.0.1/callback"
        )
        body = {"client_id": client_id, "app_id": app.app_id, "redirect_uri": app.redirect_uri}
        answer = await self.http.post("/_control/authorizations", json={**body, "state": "s" * 16})
        assert answer.status_code == 200, answer.text
        reply = dict(parse_qsl(urlsplit(answer.json()["redirect_to"]).query))
        login = self.doors.login(self.doors.addresses(Environment.PAPER, self.direct_url))
        try:
            return await login.exchange(app, reply)
        finally:
            await login.aclose()

    async def set_price(self, price: str) -> None:
        body = {"instrument": INSTRUMENT, "price": price}
        answer = await self.http.put("/_control/price", json=body)
        assert answer.status_code == 200, answer.text

    async def order_sockets(self) -> int:
        return int((await self.http.get("/_control/state")).json()["order_sockets"])

    async def end_sessions(self, client_id: str) -> None:
        await self.http.post("/_control/sessions/expire", json={"client_id": client_id})


@dataclass(kw_only=True)
class LinkedAccount:
    account: Account
    session: BrokerSession
    broker: SimulatedBroker

    @property
    def account_id(self) -> str:
        return self.account.account_id

    async def place(self, limit_price: str = "700.00") -> OrderReport:
        """Place a limit order at the broker itself, as its owner would."""
        intent = OrderIntent(
            client_order_id=secrets.token_hex(7) + "a",
            account_id=self.account_id,
            instrument=INSTRUMENT,
            side=Side.BUY,
            product=Product.INTRADAY,
            validity=Validity.DAY,
            terms=OrderTerms(
                order_type=OrderType.LIMIT, quantity=10, limit_price=Decimal(limit_price)
            ),
        )
        return await self.broker.gateway.place_order(self.session, intent)


class Heard:
    """Everything on some topics since the test began."""

    def __init__(self, servers: Servers) -> None:
        self.records: list[codec.Record] = []
        self._reader = TopicReader(
            servers.kafka_bootstrap_servers,
            (topics.BROKER_UPDATES, topics.NOTICES),
        )

    @asynccontextmanager
    async def open(self) -> AsyncIterator["Heard"]:
        await self._reader.start()
        task = asyncio.create_task(self._collect())
        try:
            yield self
        finally:
            task.cancel()
            await asyncio.wait([task])
            await self._reader.stop()

    def updates(self, account_id: str) -> list[BrokerUpdate]:
        return [
            record.event
            for record in self.records
            if isinstance(record.event, BrokerUpdate) and record.event.account_id == account_id
        ]

    def partitions(self, account_id: str) -> set[int]:
        return {
            record.partition
            for record in self.records
            if isinstance(record.event, BrokerUpdate) and record.event.account_id == account_id
        }

    def notices(self, account_id: str) -> list[Notice]:
        return [
            record.event
            for record in self.records
            if isinstance(record.event, Notice) and record.event.subject == f"account:{account_id}"
        ]

    async def _collect(self) -> None:
        async for batch in self._reader.batches():
            for raw in batch:
                record = codec.decode_record(raw)
                assert isinstance(record, codec.Record)
                self.records.append(record)


@dataclass(kw_only=True)
class World:
    """One database, people and accounts; `start` adds a replica of streaming to it."""

    servers: Servers
    database: Database
    owner: asyncpg.Connection
    redis: Redis
    broker: SimulatedBroker
    auth: AuthThatKnowsNobody
    publisher: Publisher
    heard: Heard
    folder: Path
    stack: AsyncExitStack
    key: str = field(default_factory=lambda: Fernet.generate_key().decode())

    async def start(self, **changes: str) -> Running:
        """Start a replica; `changes` are more of its environment."""
        port = free_port()
        environment = {
            "KAFKA_BOOTSTRAP_SERVERS": self.servers.kafka_bootstrap_servers,
            "POSTGRES_DSN": self.database.dsn("streaming"),
            "REDIS_URL": self.servers.redis_url,
            "AUTH_URL": self.auth.url,
            "INTERNAL_SERVICE_TOKEN": "a service token of the tests",
            "SESSION_ENCRYPTION_KEY": self.key,
            "SIMULATOR_URLS": json.dumps({BROKER: self.broker.url}),
            "LOCKSTEP_ENV": "local",
            "STREAMING_PORT": str(port),
            **changes,
        }
        output = self.folder / f"streaming-{port}.log"
        return await self.stack.enter_async_context(
            running_program("streaming", environment, port, output)
        )

    async def link(self, *, shard: int | None = None) -> LinkedAccount:
        """Connect an account of a new user: logged in at the broker, its session in the cache."""
        account_id = str(uuid7())
        while shard is not None and shard_of(account_id, PARTITIONS) != shard:
            account_id = str(uuid7())
        client_id = f"XT{secrets.randbelow(100_000):05}"
        account = an_account(
            account_id=account_id,
            user_id=str(uuid7()),
            broker=BROKER,
            broker_client_id=client_id,
            session_expires_at=datetime.now(UTC) + timedelta(hours=6),
        )
        body = {"client_id": client_id, "funds": "1000000", "pin": "1234"}
        opened = await self.broker.http.post("/_control/accounts", json=body)
        assert opened.status_code == 201, opened.text
        session = await self.renew_session(account)
        await self.put(account)
        return LinkedAccount(account=account, session=session, broker=self.broker)

    async def renew_session(self, account: Account) -> BrokerSession:
        grant = await self.broker.log_in(account.broker_client_id)
        session = BrokerSession(
            account_id=account.account_id,
            client_id=account.broker_client_id,
            environment=Environment.PAPER,
            expires_at=grant.expires_at,
            secrets=grant.credentials,
        )
        await self.redis.set(f"session:{account.account_id}", self._sealed(session), ex=600)
        return session

    async def put(self, account: Account) -> None:
        """Show an account's newest version where auth shows it. No event is published."""
        await self.owner.execute(
            _PUT_ACCOUNT,
            account.account_id,
            account.user_id,
            account.broker,
            account.kind.value,
            account.version,
            account.session_state.value,
            account.environment.value,
            account.regime.value,
            account.broker_client_id,
            account.session_expires_at,
        )

    async def announce(self, linked: LinkedAccount, state: SessionState) -> Account:
        """Change an account as auth does: the row and the event."""
        linked.account = replace(
            linked.account, version=linked.account.version + 1, session_state=state
        )
        await self.put(linked.account)
        await self.publish(linked.account, linked.account_id)
        return linked.account

    async def publish(self, event: Account | OrderChanged | Notice, key: str) -> None:
        topic = next(name for name, kind in topics.TYPE_OF_TOPIC.items() if kind is type(event))
        partition = 0 if topic == topics.NOTICES else shard_of(key, PARTITIONS)
        await self.publisher.publish(
            topic, key=key, partition=partition, payload=codec.encode(event)
        )

    async def sign_in(self, *roles: Role, user_id: str | None = None) -> "Person":
        person = Person(user_id=user_id or str(uuid7()), token=secrets.token_urlsafe(32))
        stored = {
            "user_id": person.user_id,
            "roles": [role.value for role in roles],
            "email": "someone@lockstep.test",
            "expires_at": (datetime.now(UTC) + timedelta(hours=1)).isoformat(),
        }
        await self.redis.set(f"signin:{token_hash(person.token)}", json.dumps(stored), ex=600)
        return person

    async def sign_out(self, person: "Person") -> None:
        await self.redis.delete(f"signin:{token_hash(person.token)}")

    def _sealed(self, session: BrokerSession) -> bytes:
        keyring = KeyRing.from_setting(SecretStr(self.key))
        wrapped = keyring.new_data_key()
        key = keyring.unwrap(wrapped)
        sealed = {
            "account_id": session.account_id,
            "broker": BROKER,
            "client_id": session.client_id,
            "environment": session.environment.value,
            "expires_at": session.expires_at.isoformat(),
            "egress": None,
            "wrapped_key": wrapped,
            "version": 1,
            "fields": {
                name: key.seal(value, session_place(session.account_id, BROKER, name))
                for name, value in session.secrets.items()
            },
        }
        return json.dumps(sealed).encode()


@dataclass(frozen=True, kw_only=True)
class Person:
    """Somebody signed in by cookie."""

    user_id: str
    token: str

    def open(self, service: Running, *, origin: str | None = None) -> connect:
        return connect(
            f"ws://127.0.0.1:{service.port}/ws/orders",
            additional_headers={"Cookie": f"lockstep={self.token}"},
            origin=origin or service.url,  # type: ignore[arg-type]  # a plain origin
            compression=None,
            proxy=None,
        )

    async def feeds(self, service: Running) -> httpx.Response:
        cookies = {"lockstep": self.token}
        async with httpx.AsyncClient(trust_env=False, cookies=cookies) as http:
            return await http.get(f"{service.url}/feeds")


async def next_frame(line: ClientConnection, *, kind: str | None = None) -> dict[str, object]:
    """Receive the next frame (of a kind); heartbeats are passed over."""
    async with asyncio.timeout(10):
        while True:
            frame: dict[str, object] = json.loads(await line.recv())
            if frame["type"] != "heartbeat" and kind in {None, frame["type"]}:
                return frame


def open_publisher(servers: Servers) -> tuple[KafkaBus, Publisher]:
    settings = KafkaSettings(kafka_bootstrap_servers=servers.kafka_bootstrap_servers)
    bus = open_bus(settings, client_id="streaming-tests")
    return bus, Publisher(bus)


async def replaced_accounts(database: Database) -> asyncpg.Connection:
    owner = await asyncpg.connect(database.owner_dsn)
    await owner.execute(_REPLACE_VIEW)
    return owner
