"""What instruments cost at FYERS (API v3 reference, data API: quotes and depth)."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime

from libs.brokers.fyers import wire
from libs.brokers.fyers.instruments import FyersInstruments, load_instruments
from libs.brokers.fyers.manifest import MANIFEST
from libs.brokers.http import HTTPReply, OrderTransport, PyreqwestTransport, TransportLimits
from libs.brokers.protocol import BrokerAddresses, BrokerSession
from libs.trading.quotes import Quote

# A market order waits for this answer: later than that it is of no use to anybody.
_ANSWER_MAX_S = 3


def utc_now() -> datetime:
    return datetime.now(UTC)


class FyersMarket:
    """The market door of this process; any session of the platform may see prices."""

    def __init__(
        self,
        addresses: BrokerAddresses,
        *,
        reads: OrderTransport | None = None,
        instruments: FyersInstruments | None = None,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        limits = TransportLimits(idle_s=MANIFEST.idle_connection_s, total_s=_ANSWER_MAX_S)
        self._addresses = addresses
        self._data = addresses.urls["data"]
        self._instruments = instruments or load_instruments(addresses)
        self._reads = reads or PyreqwestTransport(addresses, wire.COMMON_HEADERS, limits)
        self._clock = clock

    async def warm(self) -> None:
        await self._reads.warm(self._data, {None: 1})

    async def quotes(
        self, session: BrokerSession, instruments: Sequence[str]
    ) -> Mapping[str, Quote]:
        self._addresses.admit(session)
        symbols = {name: self._instruments.symbol_of(name) for name in instruments}
        listed = [(name, symbol) for name, symbol in symbols.items() if symbol is not None]
        if len(listed) == 1:
            # Only the depth of one symbol tells its price band.
            return _by_name(await self._depth(session, *listed[0]))
        size = MANIFEST.quotes_per_request_max
        found: list[Quote] = []
        for start in range(0, len(listed), size):
            found += await self._batch(session, listed[start : start + size])
        return _by_name(found)

    async def aclose(self) -> None:
        await self._reads.aclose()

    async def _depth(self, session: BrokerSession, name: str, symbol: str) -> list[Quote]:
        at = self._clock()
        reply = await self._get(session, f"depth?{wire.depth_query(symbol)}")
        payload = wire.read_listed(reply)
        quote = None if payload is None else wire.read_depth(payload, symbol, name, at)
        return [] if quote is None else [quote]

    async def _batch(
        self, session: BrokerSession, listed: Sequence[tuple[str, str]]
    ) -> list[Quote]:
        at, names = self._clock(), {symbol: name for name, symbol in listed}
        reply = await self._get(session, f"quotes?{wire.quotes_query(list(names))}")
        payload = wire.read_listed(reply)
        return [] if payload is None else wire.read_quotes(payload, names.get, at)

    async def _get(self, session: BrokerSession, path: str) -> HTTPReply:
        # Prices are read from the machine's own address: only orders are bound to an egress.
        headers = wire.authorization_of(session)
        return await self._reads.send("GET", f"{self._data}/{path}", headers=headers)


def _by_name(quotes: Sequence[Quote]) -> dict[str, Quote]:
    return {quote.instrument: quote for quote in quotes}
