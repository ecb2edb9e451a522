"""What the paper market offers around its last price."""

from decimal import Decimal

from libs.paper.exchange import PaperExchange
from libs.paper.instruments import BUILT_IN
from libs.paper.market_depth import LEVELS, depth
from tests.factories import NOON

NAME = "NSE:SBIN"


def exchange_at(price: Decimal) -> PaperExchange:
    exchange = PaperExchange()
    exchange.set_price(NAME, price, NOON)
    return exchange


def test_levels_lie_a_tick_apart_around_the_last_price() -> None:
    market = depth(exchange_at(Decimal("812.50")), NAME)

    assert market.bids[:2] == (Decimal("812.45"), Decimal("812.40"))
    assert market.asks[:2] == (Decimal("812.55"), Decimal("812.60"))
    assert len(market.bids) == len(market.asks) == LEVELS


def test_nobody_offers_beyond_the_price_band() -> None:
    high, low = BUILT_IN[NAME].upper_circuit, BUILT_IN[NAME].lower_circuit

    assert depth(exchange_at(high), NAME).asks == ()
    assert depth(exchange_at(low), NAME).bids == ()
    assert len(depth(exchange_at(high), NAME).bids) == LEVELS
    assert depth(exchange_at(high + 10), NAME).asks == ()
