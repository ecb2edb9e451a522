"""Profile, funds, positions, trades, holdings of an account at FYERS (API v3 reference, user)."""

from libs.brokers.fyers import wire
from libs.brokers.fyers.instruments import load_instruments
from libs.brokers.http import HTTPReply, SlowREST
from libs.brokers.protocol import BrokerAddresses, BrokerSession
from libs.trading.orders import Funds, Holding, Position, Profile, Trade


class FyersAccount:
    """The account door of every FYERS account in this process."""

    def __init__(self, addresses: BrokerAddresses) -> None:
        self._addresses = addresses
        self._instruments = load_instruments(addresses)
        self._rest = SlowREST()

    async def profile(self, session: BrokerSession) -> Profile:
        return wire.read_profile(wire.read_payload(await self._get(session, "profile")))

    async def funds(self, session: BrokerSession) -> Funds:
        return wire.read_funds(wire.read_rows(await self._get(session, "funds"), "fund_limit"))

    async def positions(self, session: BrokerSession) -> list[Position]:
        rows = wire.read_rows(await self._get(session, "positions"), "netPositions")
        return wire.read_positions(rows, self._instruments.name_of)

    async def trade_book(self, session: BrokerSession) -> list[Trade]:
        rows = wire.read_rows(await self._get(session, "tradebook"), "tradeBook")
        return wire.read_trades(rows, self._instruments.name_of)

    async def holdings(self, session: BrokerSession) -> list[Holding]:
        rows = wire.read_rows(await self._get(session, "holdings"), "holdings")
        return wire.read_holdings(rows, self._instruments.name_of)

    async def aclose(self) -> None:
        await self._rest.aclose()

    async def _get(self, session: BrokerSession, path: str) -> HTTPReply:
        self._addresses.admit(session)
        return await self._rest.send(
            "GET",
            f"{self._addresses.urls['api']}/{path}",
            headers={**wire.COMMON_HEADERS, **wire.authorization_of(session)},
        )
