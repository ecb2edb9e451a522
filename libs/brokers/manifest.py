"""What one broker can do, as data, and the lazily imported doors to do it.

Nothing outside a broker's folder names a broker: flows ask these fields.
"""

import importlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from libs.brokers.errors import WrongEnvironment
from libs.brokers.protocol import (
    LOOPBACK,
    AccountReader,
    BrokerAddresses,
    BrokerLogin,
    Egress,
    InstrumentBook,
    MarketReader,
    OrderFeed,
    OrderGateway,
)
from libs.trading.accounts import Environment
from libs.trading.orders import OrderType, Product, Validity
from libs.trading.protection import Protection


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentRules:
    """What a broker takes in one exchange segment, of what it takes at all."""

    products: frozenset[Product]
    order_types: frozenset[OrderType] = frozenset(OrderType)
    validities: frozenset[Validity] = frozenset(Validity)


@dataclass(frozen=True, slots=True, kw_only=True)
class TagRules:
    """How a broker lets callers tag an order: `pattern` matches the whole of a tag."""

    pattern: str
    forbidden: frozenset[str] = frozenset()
    may_be_client_id: bool = True

    def takes(self, tag: str, client_id: str) -> bool:
        """Tell whether an order with this tag is taken from this client."""
        if tag in self.forbidden or (tag == client_id and not self.may_be_client_id):
            return False
        return re.fullmatch(self.pattern, tag) is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerManifest:
    """One broker. `name` is its folder and the word in every path; `title` is for people.

    `live_urls` are compiled in and never replaced by a setting. `paper_paths` are the same roles
    as paths below the simulator's address. Doors are "module:factory" inside the broker's folder;
    each factory takes one `BrokerAddresses`. `tags_echoed` says that the order book carries our
    tag. `field_encryption` is how credentials are sealed. `credential_fields` are what a login
    stores. `login_reply_fields` are the parameters of the callback that `exchange` reads,
    `login_refusal_fields` those of them that only tell how it went.
    `refused_before_processing_confirmed` says that the broker's session and rate refusals come
    before an order is processed (transition 9). `open_market` is None where prices cannot be read.
    `segments` are the exchanges it serves and what it takes at each; `protection` says which orders
    it does not take without a worst price, None that it takes them plain (libs/brokers/fitting.py).
    """

    name: str
    title: str
    live_urls: Mapping[str, str]
    paper_paths: Mapping[str, str]
    simulator_port: int
    callback_path: str
    open_login: str
    open_orders: str
    open_feed: str
    open_account: str
    load_instruments: str
    build_simulator: str
    open_market: str | None = None
    unattended_orders: bool = True
    order_feed: bool = True
    tags_echoed: bool = True
    refused_before_processing_confirmed: bool = True
    order_types: frozenset[OrderType] = frozenset(OrderType)
    products: frozenset[Product] = frozenset(Product)
    validities: frozenset[Validity] = frozenset(Validity)
    segments: Mapping[str, SegmentRules] = field(default_factory=dict)
    protection: Protection | None = None
    tags: TagRules = TagRules(pattern="[a-z0-9]{15}")
    modifications_per_order_max: int = 20
    orders_per_second_max: int = 10
    requests_per_minute_max: int = 200
    quotes_per_request_max: int = 50
    idle_connection_s: float = 50
    session_ends_at_ist: str = "06:00"
    field_encryption: str = "fernet"
    credential_fields: tuple[str, ...] = ()
    login_reply_fields: tuple[str, ...] = ()
    login_refusal_fields: tuple[str, ...] = ()
    texts: Mapping[str, str] = field(default_factory=dict)

    def addresses(
        self,
        environment: Environment,
        simulator_url: str | None,
        egress: Mapping[str, Egress] | None = None,
    ) -> BrokerAddresses:
        """Choose the address set by environment. Raise `WrongEnvironment` rather than mix them.

        `simulator_url` None means this machine, at `simulator_port`.
        `egress` are the profiles a session may name; a profile not among them is never replaced.
        """
        egress = egress or {}
        if environment is Environment.LIVE:
            return BrokerAddresses(environment=environment, urls=self.live_urls, egress=egress)
        simulator_url = simulator_url or f"http://127.0.0.1:{self.simulator_port}"
        if urlsplit(simulator_url).hostname not in LOOPBACK | {
            f"simulator-{self.name.replace('_', '-')}"
        }:
            raise WrongEnvironment(
                f"{self.name}: a paper account needs the simulator's address, not {simulator_url!r}"
            )
        base = urlsplit(simulator_url)
        urls = {
            role: f"{'ws' if urlsplit(self.live_urls[role]).scheme == 'wss' else 'http'}://"
            f"{base.netloc}{path}"
            for role, path in self.paper_paths.items()
        }
        return BrokerAddresses(environment=environment, urls=urls, egress=egress)

    def login(self, addresses: BrokerAddresses) -> BrokerLogin:
        door: BrokerLogin = self._door(self.open_login)(addresses)
        return door

    def orders(self, addresses: BrokerAddresses) -> OrderGateway:
        door: OrderGateway = self._door(self.open_orders)(addresses)
        return door

    def feed(self, addresses: BrokerAddresses) -> OrderFeed:
        door: OrderFeed = self._door(self.open_feed)(addresses)
        return door

    def account(self, addresses: BrokerAddresses) -> AccountReader:
        door: AccountReader = self._door(self.open_account)(addresses)
        return door

    def market(self, addresses: BrokerAddresses) -> MarketReader | None:
        """Open the market door; None at a broker that shows no prices."""
        if self.open_market is None:
            return None
        door: MarketReader = self._door(self.open_market)(addresses)
        return door

    def instruments(self, addresses: BrokerAddresses) -> InstrumentBook:
        door: InstrumentBook = self._door(self.load_instruments)(addresses)
        return door

    def simulator(self, **options: Any) -> Any:
        """Build the simulator's ASGI application (services/simulator)."""
        return self._door(self.build_simulator)(**options)

    def _door(self, where: str) -> Any:
        module, _, factory = where.partition(":")
        return getattr(importlib.import_module(f"libs.brokers.{self.name}.{module}"), factory)
