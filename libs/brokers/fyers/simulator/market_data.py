"""Quotes and depth under `/data`: field names and shapes of the v3 reference, data API.

What the reference leaves open is the choice of README.md: an unknown symbol is an item of its own
with `s` error among quotes, and -300 where it stands alone.
"""

from collections.abc import Mapping
from decimal import Decimal
from urllib.parse import parse_qs

from libs.brokers.fyers.simulator.catalogue import Symbol, catalogue
from libs.brokers.fyers.simulator.endpoints import Endpoint
from libs.brokers.fyers.simulator.payloads import Payload, number
from libs.brokers.fyers.simulator.replies import Refused, answer, ok
from libs.paper.market_depth import depth
from libs.paper.server.desk import Desk
from libs.paper.server.knobs import Operation
from libs.paper.server.requests import Answer, Arrival, NotJSON

DATA = "/data"
SYMBOLS_MAX = 50
_LEVEL_VOLUME = 1000


class MarketData:
    """Acts on the desk's prices; who asks only matters for the limits."""

    def __init__(self, desk: Desk) -> None:
        """Show the prices of this desk's market."""
        self._desk = desk
        self._table: Mapping[tuple[str, str], Endpoint] = {
            ("GET", f"{DATA}/quotes"): Endpoint(Operation.MARKET, self.quotes),
            ("POST", f"{DATA}/quotes"): Endpoint(Operation.MARKET, self.posted_quotes),
            ("GET", f"{DATA}/depth"): Endpoint(Operation.MARKET, self.depth),
        }

    def find(self, method: str, path: str) -> Endpoint | None:
        return self._table.get((method, path))

    def quotes(self, arrival: Arrival) -> Answer:
        # Both `:` and `,` come percent-encoded from one client and plain from another.
        given = parse_qs(arrival.query).get("symbols", [])
        return self._quotes([ticker for one in given for ticker in one.split(",") if ticker])

    def posted_quotes(self, arrival: Arrival) -> Answer:
        try:
            body = arrival.json()
        except NotJSON as error:
            raise Refused(-50, f"Invalid parameters: the body is not JSON ({error})") from error
        tickers = body.get("symbols") if isinstance(body, dict) else None
        if not isinstance(tickers, list):
            raise Refused(-50, "Invalid parameters: symbols must be a list")
        return self._quotes([str(ticker) for ticker in tickers])

    def depth(self, arrival: Arrival) -> Answer:
        [ticker, *more] = parse_qs(arrival.query).get("symbol") or [""]
        symbol = catalogue().by_ticker.get(ticker)
        if more or symbol is None:
            raise Refused(-300, f"Invalid symbol {ticker!r}")
        return answer(ok(d={ticker: self._depth(symbol)}), journalled=False)

    def _quotes(self, tickers: list[str]) -> Answer:
        if not 0 < len(tickers) <= SYMBOLS_MAX:
            raise Refused(-50, f"Invalid parameters: 1 to {SYMBOLS_MAX} symbols")
        return answer(ok(d=[self._item(ticker) for ticker in tickers]), journalled=False)

    def _item(self, ticker: str) -> Payload:
        symbol = catalogue().by_ticker.get(ticker)
        if symbol is None:
            return {"n": ticker, "s": "error", "v": {"errmsg": "Invalid symbol", "code": -300}}
        return {"n": ticker, "s": "ok", "v": self._quote(symbol)}

    def _quote(self, symbol: Symbol) -> Payload:
        market = depth(self._desk.exchange, symbol.name)
        opened = self._desk.exchange.instruments[symbol.name].opening_price
        bid, ask = (side[0] if side else Decimal(0) for side in (market.bids, market.asks))
        return {
            "ch": number(market.last - opened),
            "chp": number((market.last - opened) * 100 / opened),
            "lp": number(market.last),
            "spread": number(max(ask - bid, Decimal(0))),
            "ask": number(ask),
            "bid": number(bid),
            "open_price": number(opened),
            "high_price": number(max(opened, market.last)),
            "low_price": number(min(opened, market.last)),
            "prev_close_price": number(opened),
            "atp": number(market.last),
            "volume": 0,
            "short_name": symbol.ticker.partition(":")[2],
            "exchange": symbol.ticker.partition(":")[0],
            "description": symbol.description,
            "original_name": symbol.ticker,
            "symbol": symbol.ticker,
            "fyToken": symbol.fy_token,
            "tt": str(int(self._desk.clock().timestamp())),
        }

    def _depth(self, symbol: Symbol) -> Payload:
        market = depth(self._desk.exchange, symbol.name)
        instrument = self._desk.exchange.instruments[symbol.name]
        opened = instrument.opening_price
        return {
            "totalbuyqty": _LEVEL_VOLUME * len(market.bids),
            "totalsellqty": _LEVEL_VOLUME * len(market.asks),
            "bids": [_level(price) for price in market.bids],
            "ask": [_level(price) for price in market.asks],
            "o": number(opened),
            "h": number(max(opened, market.last)),
            "l": number(min(opened, market.last)),
            "c": number(opened),
            "ch": number(market.last - opened),
            "chp": number((market.last - opened) * 100 / opened),
            "tick_Size": number(instrument.tick_size),
            "ltq": 0,
            "ltt": int(self._desk.clock().timestamp()),
            "ltp": number(market.last),
            "v": 0,
            "atp": number(market.last),
            "lower_ckt": number(market.lower_circuit),
            "upper_ckt": number(market.upper_circuit),
            "expiry": "",
            "oi": 0,
            "oiflag": not symbol.is_cash,
            "pdoi": 0,
            "oipercent": 0.0,
        }


def _level(price: Decimal) -> Payload:
    return {"price": number(price), "volume": _LEVEL_VOLUME, "ord": 1}
