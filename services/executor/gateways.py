"""The broker's doors per environment, opened once and closed at the end."""

from dataclasses import dataclass, field

from libs.brokers.manifest import BrokerManifest
from libs.brokers.protocol import AccountReader, InstrumentBook, MarketReader, OrderGateway
from libs.trading.accounts import Environment


@dataclass(slots=True)
class OpenGateways:
    """Paper accounts meet the simulator, live ones the broker; never the other way round."""

    manifest: BrokerManifest
    simulator_url: str | None
    opened: dict[Environment, OrderGateway] = field(default_factory=dict)
    readers: dict[Environment, AccountReader] = field(default_factory=dict)
    markets: dict[Environment, MarketReader | None] = field(default_factory=dict)

    def of(self, environment: Environment) -> OrderGateway:
        gateway = self.opened.get(environment)
        if gateway is None:
            addresses = self.manifest.addresses(environment, self.simulator_url)
            gateway = self.opened[environment] = self.manifest.orders(addresses)
        return gateway

    def account(self, environment: Environment) -> AccountReader:
        reader = self.readers.get(environment)
        if reader is None:
            addresses = self.manifest.addresses(environment, self.simulator_url)
            reader = self.readers[environment] = self.manifest.account(addresses)
        return reader

    def market(self, environment: Environment) -> MarketReader | None:
        if environment not in self.markets:
            addresses = self.manifest.addresses(environment, self.simulator_url)
            self.markets[environment] = self.manifest.market(addresses)
        return self.markets[environment]

    def instruments(self) -> InstrumentBook:
        return self.manifest.instruments(
            self.manifest.addresses(Environment.PAPER, self.simulator_url)
        )

    async def aclose(self) -> None:
        for gateway in self.opened.values():
            await gateway.aclose()
        for reader in self.readers.values():
            await reader.aclose()
        for market in self.markets.values():
            if market is not None:
                await market.aclose()
