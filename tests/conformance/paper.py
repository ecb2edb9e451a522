"""One broker's simulator in this process on a port of its own, and our doors to it."""

import asyncio
import socket
import threading
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, quote, urlsplit

import httpx
import uvicorn

from libs.brokers.http import trusted_tls
from libs.brokers.manifest import BrokerManifest
from libs.brokers.protocol import (
    AccountReader,
    BrokerAddresses,
    BrokerLogin,
    BrokerSession,
    InstrumentBook,
    MarketReader,
    OrderFeed,
    OrderGateway,
    PlatformApp,
)
from libs.trading.accounts import Environment
from libs.trading.orders import OrderReport, OrderStatus

APP = PlatformApp(
    app_id="CONFORM01-100",
    secret="canary-app-secret",
    redirect_uri="http://127.0.0.1:8080/conformance",
)
CLIENT_ID, PIN = "XB00001", "1234"
CASH = "NSE:SBIN"
FUTURE = "NFO:NIFTY:2026-12-29:FUT"


class Simulator:
    """A simulator served by a thread of its own, so that any test's loop can talk to it."""

    def __init__(self, manifest: BrokerManifest, state_dir: Path, port: int = 0) -> None:
        app = manifest.simulator(state_dir=state_dir, app_id=APP.app_id, app_secret=APP.secret)
        config = uvicorn.Config(
            app,
            ws="websockets-sansio",
            lifespan="on",
            log_config=None,
            access_log=False,
            timeout_graceful_shutdown=1,
        )
        self._server = uvicorn.Server(config)
        listening = socket.create_server(("127.0.0.1", port))
        self.url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        self._thread = threading.Thread(
            target=self._server.run, kwargs={"sockets": [listening]}, daemon=True
        )
        self._thread.start()
        self._wait_until_started()

    def stop(self) -> None:
        self._server.should_exit = True
        self._thread.join(timeout=10)
        assert not self._thread.is_alive()

    def _wait_until_started(self) -> None:
        deadline = time.monotonic() + 10
        while not self._server.started:
            assert self._thread.is_alive(), "the simulator did not start"
            assert time.monotonic() < deadline, "the simulator started too slowly"
            time.sleep(0.005)


@dataclass
class PaperBroker:
    """What a test holds: the doors, a session, and the simulator's control routes."""

    manifest: BrokerManifest
    addresses: BrokerAddresses
    control: httpx.AsyncClient
    login: BrokerLogin
    orders: OrderGateway
    feed: OrderFeed
    account: AccountReader
    market: MarketReader | None
    instruments: InstrumentBook
    began_at: int

    async def a_reply(self, client_id: str = CLIENT_ID, **account: str) -> Mapping[str, str]:
        """Do what the login pages do, without them: what the browser would bring back."""
        await self.ask("POST", "accounts", {"client_id": client_id, "pin": PIN, **account})
        wanted = {
            "client_id": client_id,
            "app_id": APP.app_id,
            "redirect_uri": APP.redirect_uri,
            "state": "a-state",
        }
        answer = await self.ask("POST", "authorizations", wanted)
        return dict(parse_qsl(urlsplit(answer["redirect_to"]).query))

    async def a_session(self, client_id: str = CLIENT_ID, **account: str) -> BrokerSession:
        grant = await self.login.exchange(APP, await self.a_reply(client_id, **account))
        return BrokerSession(
            account_id=f"account-of-{client_id}",
            client_id=grant.profile.broker_client_id,
            environment=Environment.PAPER,
            expires_at=grant.expires_at,
            secrets=grant.credentials,
        )

    async def ask(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """Call a control route."""
        reply = await self.control.request(method, f"/_control/{path}", json=body)
        return reply.raise_for_status().json()

    async def price(self, instrument: str = CASH) -> Decimal:
        return Decimal((await self.ask("GET", f"price?instrument={quote(instrument)}"))["price"])

    async def created_orders(self) -> list[Mapping[str, Any]]:
        """List every order the simulator made in this test, from its journal."""
        return await self.journal("order")

    async def journal(self, kind: str) -> list[Mapping[str, Any]]:
        answer = await self.ask("GET", f"journal?kind={kind}&after={self.began_at}")
        entries: list[Mapping[str, Any]] = answer["entries"]
        return entries

    async def seen(self, session: BrokerSession, tag: str) -> OrderReport:
        found = await self.orders.find_order(session, tag)
        assert found is not None
        return found

    async def eventually(
        self, session: BrokerSession, tag: str, status: OrderStatus
    ) -> OrderReport:
        """Read the order until it has this status, for two seconds at most."""
        for _ in range(40):
            report = await self.seen(session, tag)
            if report.status is status:
                return report
            await asyncio.sleep(0.05)
        raise AssertionError(f"{report.status} instead of {status}")


@asynccontextmanager
async def a_paper_broker(manifest: BrokerManifest, url: str) -> AsyncIterator[PaperBroker]:
    """Open every door to a simulator that starts over: no account, no order, no limit."""
    addresses = manifest.addresses(Environment.PAPER, url)
    async with AsyncExitStack() as stack:
        client = httpx.AsyncClient(base_url=url, trust_env=False, verify=trusted_tls())
        broker = PaperBroker(
            manifest=manifest,
            addresses=addresses,
            control=await stack.enter_async_context(client),
            login=manifest.login(addresses),
            orders=manifest.orders(addresses),
            feed=manifest.feed(addresses),
            account=manifest.account(addresses),
            market=manifest.market(addresses),
            instruments=manifest.instruments(addresses),
            began_at=0,
        )
        for door in (broker.login, broker.orders, broker.feed, broker.account):
            stack.push_async_callback(door.aclose)
        if broker.market is not None:
            stack.push_async_callback(broker.market.aclose)
        broker.began_at = (await broker.ask("POST", "reset"))["last"]
        # Tests ask more often than a person; the limits have tests of their own.
        limits = await broker.ask("GET", "limits")
        await broker.ask("PUT", "limits", {"enabled": False})
        yield broker
        await broker.ask("PUT", "limits", limits)
