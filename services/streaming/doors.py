"""The doors of all brokers, opened once per broker and environment, and closed together."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from libs.brokers import registry
from libs.brokers.manifest import BrokerManifest
from libs.brokers.protocol import BrokerAddresses, OrderFeed, OrderGateway
from libs.trading.accounts import Account, Environment
from services.streaming.waiting import ReadBudget

# Of what a broker allows an account: the executor has 70 %, auth 10 % (DESIGN D7).
_SHARE_OF_REQUESTS = 0.2

_Door = tuple[str, Environment]


def brokers_with_order_feed() -> list[str]:
    return [name for name in registry.BROKERS if registry.manifest(name).order_feed]


@dataclass(slots=True, kw_only=True)
class BrokerDoors:
    simulator_url: Callable[[str], str | None]
    _feeds: dict[_Door, OrderFeed] = field(default_factory=dict)
    _orders: dict[_Door, OrderGateway] = field(default_factory=dict)

    def feed(self, account: Account) -> OrderFeed:
        door = (account.broker, account.environment)
        if door not in self._feeds:
            self._feeds[door] = _manifest(account).feed(self._addresses(account))
        return self._feeds[door]

    def orders(self, account: Account) -> OrderGateway:
        door = (account.broker, account.environment)
        if door not in self._orders:
            self._orders[door] = _manifest(account).orders(self._addresses(account))
        return self._orders[door]

    def book_budget(self, account: Account) -> ReadBudget:
        per_minute = _manifest(account).requests_per_minute_max * _SHARE_OF_REQUESTS
        return ReadBudget(per_second=per_minute / 60)

    async def aclose(self) -> None:
        closings = [feed.aclose() for feed in self._feeds.values()]
        closings += [orders.aclose() for orders in self._orders.values()]
        await asyncio.gather(*closings)

    def _addresses(self, account: Account) -> BrokerAddresses:
        simulator_url = self.simulator_url(account.broker)
        return _manifest(account).addresses(account.environment, simulator_url)


def _manifest(account: Account) -> BrokerManifest:
    return registry.manifest(account.broker)
