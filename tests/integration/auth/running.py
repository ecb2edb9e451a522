"""Auth in this process on real servers, its simulator on a port, and people who click."""

import html
import re
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import asyncpg
import httpx
import psycopg
import uvicorn
from argon2 import PasswordHasher
from cryptography.fernet import Fernet
from fastapi import FastAPI
from pydantic import SecretStr
from redis.asyncio import Redis

from libs.brokers import registry
from libs.runtime.identity import Identities
from libs.runtime.internal_client import OpenedSession, SessionSource
from libs.runtime.vault import KeyRing
from services.auth.actors import Actor
from services.auth.app import build_app
from services.auth.passwords import Passwords
from services.auth.settings import AuthSettings, PlatformAppSettings
from tests.servers import Database, Servers

BROKER = registry.BROKERS[0]
SERVICE_TOKEN = "a service token of the tests"
HOST = "http://lockstep.test"
APP_SECRET = "canary-app-secret"
PASSWORD = "correct horse battery"
PIN = "1234"
DEMO = {"email": "admin@lockstep.local", "password": "lockstep-demo"}
_TESTS = Actor(user_id=None, via="tests", address="")
LOGIN_KEY, SESSION_KEY = Fernet.generate_key().decode(), Fernet.generate_key().decode()


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningSimulator:
    url: str

    async def arrivals(self, words: str) -> int:
        """Count what arrived at paths with these words."""
        async with httpx.AsyncClient(base_url=self.url) as http:
            answer = await http.get("/_control/journal", params={"limit": 10_000})
        entries = answer.json()["entries"]
        assert len(entries) < 10_000
        return sum(words in str(entry) for entry in entries)

    async def expire(self, client_id: str) -> None:
        async with httpx.AsyncClient(base_url=self.url) as http:
            answer = await http.post("/_control/sessions/expire", json={"client_id": client_id})
            answer.raise_for_status()


@contextmanager
def running_simulator(state_dir: Path) -> Iterator[RunningSimulator]:
    manifest = registry.manifest(BROKER)
    app = manifest.simulator(state_dir=state_dir, app_secret=APP_SECRET)
    config = uvicorn.Config(app, host="127.0.0.1", port=0, log_config=None)
    config.load()
    listening = config.bind_socket()
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, args=([listening],), daemon=True)
    thread.start()
    while not server.started:
        thread.join(0.01)
    try:
        yield RunningSimulator(url=f"http://127.0.0.1:{listening.getsockname()[1]}")
    finally:
        server.should_exit = True
        thread.join(10)


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Somebody with a browser."""

    user_id: str
    http: httpx.AsyncClient

    async def auth_url(self, side: str = "client") -> tuple[str, str]:
        answer = await self.http.get(f"/{side}/broker/{BROKER}/auth-url")
        assert answer.status_code == 200, answer.text
        data = answer.json()["data"]
        return data["url"], data["state"]

    async def connect(
        self, client_id: str, side: str = "client", *, state: str | None = None
    ) -> httpx.Response:
        """Go the whole way: link, login page, consent, callback, connect."""
        url, own_state = await self.auth_url(side)
        reply = await login_at_broker(url, client_id)
        assert reply.pop("state") == own_state
        return await self.finish({**reply, "state": state or own_state}, side)

    async def finish(self, body: dict[str, Any], side: str = "client") -> httpx.Response:
        return await self.http.post(f"/{side}/broker/{BROKER}/connect", json=body)

    async def status(self, side: str = "client") -> dict[str, Any]:
        answer = await self.http.get(f"/{side}/broker/{BROKER}/status")
        assert answer.status_code == 200, answer.text
        data: dict[str, Any] = answer.json()["data"]
        return data

    async def disconnect(self, side: str = "client") -> httpx.Response:
        return await self.http.delete(f"/{side}/broker/{BROKER}/disconnect")

    async def notifications(self) -> dict[str, Any]:
        answer = await self.http.get("/notifications")
        assert answer.status_code == 200, answer.text
        listed: dict[str, Any] = answer.json()
        return listed


async def login_at_broker(url: str, client_id: str, *, decision: str = "allow") -> dict[str, str]:
    """Fill the simulator's pages in and return the query of the callback address."""
    async with httpx.AsyncClient() as browser:
        form = await browser.get(url)
        assert form.status_code == 200, form.text
        consent = await browser.post(url, data={"client_id": client_id, "pin": PIN})
        assert consent.status_code == 200, consent.text
        ticket = re.search(r'name="ticket" value="([^"]+)"', consent.text)
        action = re.search(r'action="([^"]+)"', consent.text)
        assert ticket is not None
        assert action is not None
        back = await browser.post(
            httpx.URL(url).join(html.unescape(action[1])),
            data={"ticket": html.unescape(ticket[1]), "decision": decision},
        )
    assert back.status_code == 303, back.text
    query = parse_qs(urlsplit(back.headers["location"]).query)
    return {name: values[0] for name, values in query.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    app: FastAPI
    database: Database
    redis: Redis
    simulator: RunningSimulator
    clients: list[httpx.AsyncClient]

    async def person(self, *roles: str, email: str | None = None) -> Person:
        """Create somebody and sign them in."""
        email = email or f"{len(self.clients)}@lockstep.test"
        hashed = await self.app.state.passwords.hash(PASSWORD)
        user_id = await self.app.state.users.create_user(
            email=email,
            display_name="Somebody",
            password_hash=hashed,
            roles=list(roles),
            actor=_TESTS,
        )
        http = self.browser()
        answer = await http.post("/auth/sign-in", json={"email": email, "password": PASSWORD})
        assert answer.status_code == 200, answer.text
        return Person(user_id=user_id, http=http)

    def browser(self, **headers: str) -> httpx.AsyncClient:
        client = httpx.AsyncClient(
            transport=httpx.ASGITransport(self.app, raise_app_exceptions=False),
            base_url=HOST,
            headers={"Sec-Fetch-Site": "same-origin"} | headers,
        )
        self.clients.append(client)
        return client

    def service(self) -> httpx.AsyncClient:
        return self.browser(**{"X-Service-Token": SERVICE_TOKEN})

    async def opened(self, account_id: str, *, redis: Redis | None = None) -> OpenedSession | None:
        """Read a session as an executor does."""
        source = SessionSource(
            redis or self.redis,
            HOST,
            SecretStr(SERVICE_TOKEN),
            KeyRing.from_setting(SecretStr(SESSION_KEY)),
            self.service(),
        )
        return (await source.sessions([account_id], BROKER)).get(account_id)

    def identities(self) -> Identities:
        """Return another service's view of who calls, remembering nothing yet."""
        token = SecretStr(SERVICE_TOKEN)
        return Identities(self.redis, HOST, token, self.service(), environment_name="local")

    def rows(self, query: str, *arguments: object) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.database.owner_dsn, autocommit=True) as owner:
            return owner.execute(query, arguments).fetchall()

    def change(self, query: str, *arguments: object) -> None:
        with psycopg.connect(self.database.owner_dsn, autocommit=True) as owner:
            owner.execute(query, arguments)

    def dump(self) -> str:
        """Everything the database holds in auth's schema, as text."""
        tables = self.rows("select tablename from pg_tables where schemaname = 'auth'")
        return "\n".join(
            row[0]
            for (name,) in tables
            for row in self.rows(f"select t::text from auth.{name} t")  # noqa: S608  # Its own.
        )


def settings_for(
    servers: Servers, database: Database, simulator: RunningSimulator, **changes: Any
) -> AuthSettings:
    values: dict[str, Any] = {
        "kafka_bootstrap_servers": servers.kafka_bootstrap_servers,
        "postgres_dsn": SecretStr(database.dsn("auth")),
        "redis_url": servers.redis_url,
        "internal_service_token": SecretStr(SERVICE_TOKEN),
        "encryption_key": SecretStr(LOGIN_KEY),
        "session_encryption_key": SecretStr(SESSION_KEY),
        "simulator_urls": {BROKER: simulator.url},
        "environment_name": "local",
        # Tests sweep when they want to see it.
        "sweep_every_s": 3600,
    }
    return AuthSettings(**{**values, **changes})


def platform_apps() -> Any:
    return PlatformAppSettings(
        **{
            f"{BROKER}_app_id": "LOCKSTEP01-100",
            f"{BROKER}_secret_id": SecretStr(APP_SECRET),
            f"{BROKER}_redirect_uri": f"{HOST}{registry.manifest(BROKER).callback_path}",
        }
    )


def quick_passwords() -> Passwords:
    """Hash with argon2id as always, at a cost that suits many sign-ins in a row."""
    return Passwords(PasswordHasher(time_cost=1, memory_cost=64, parallelism=1))


@asynccontextmanager
async def running_auth(
    servers: Servers, database: Database, simulator: RunningSimulator, **changes: Any
) -> AsyncIterator[World]:
    settings = settings_for(servers, database, simulator, **changes)
    app = build_app(settings, platform_apps(), passwords=quick_passwords())
    redis = Redis.from_url(servers.redis_url)
    clients: list[httpx.AsyncClient] = []
    async with app.router.lifespan_context(app):
        yield World(app=app, database=database, redis=redis, simulator=simulator, clients=clients)
        for client in clients:
            await client.aclose()
        if "kafka_bootstrap_servers" not in changes:
            # A start that is cut off half-way leaves a socket to the garbage collector.
            await app.state.link.wait_started()
    await redis.aclose()


async def may(dsn: str, statement: str) -> bool:
    """Say whether a role may do this; anything but a missing grant is an error of the test."""
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute(statement)
    except asyncpg.InsufficientPrivilegeError:
        return False
    finally:
        await connection.close()
    return True
