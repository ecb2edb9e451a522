"""What instruments cost: fresh, exact, in the market's own steps; missing where nobody knows."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from libs.brokers.errors import OutcomeUnknown, RateLimited, SessionExpired
from libs.brokers.protocol import BrokerSession, MarketReader
from libs.paper.instruments import BUILT_IN
from libs.trading.orders import OrderStatus, OrderTerms, OrderType, Side
from libs.trading.quotes import Quote
from tests.conformance.paper import CASH, FUTURE, PaperBroker
from tests.conformance.test_failures import QUICK, arrivals
from tests.factories import an_intent

NOWHERE = "NSE:NOWHERE"


@pytest.fixture
def market(broker: PaperBroker) -> MarketReader:
    if broker.market is None:
        pytest.skip("the manifest has no market door")
    return broker.market


async def the_quote(market: MarketReader, session: BrokerSession, name: str = CASH) -> Quote:
    quotes = await market.quotes(session, [name])
    assert list(quotes) == [name]
    return quotes[name]


@pytest.mark.parametrize("name", [CASH, FUTURE, "NFO:NIFTY:2026-12-29:24500:CE", "NSE:M&M"])
async def test_quote_is_the_price_of_now(
    broker: PaperBroker, market: MarketReader, session: BrokerSession, name: str
) -> None:
    before = datetime.now(UTC)
    known = broker.instruments.find(name)

    quote = await the_quote(market, session, name)

    assert known is not None
    assert (quote.instrument, quote.last) == (name, await broker.price(name))
    assert timedelta() <= quote.at - before < timedelta(seconds=5)
    assert quote.bid is not None
    assert quote.ask is not None
    assert quote.bid <= await broker.price(name) <= quote.ask
    assert [price % known.tick_size for price in (quote.bid, quote.ask)] == [0, 0]


async def test_quote_follows_the_market(
    broker: PaperBroker, market: MarketReader, session: BrokerSession
) -> None:
    price = await broker.price() + Decimal(5)
    await broker.ask("PUT", "price", {"instrument": CASH, "price": str(price)})

    assert (await the_quote(market, session)).last == price


async def test_price_band_is_the_one_the_exchange_keeps(
    broker: PaperBroker, market: MarketReader, session: BrokerSession
) -> None:
    quote = await the_quote(market, session)
    if quote.upper_limit is None or quote.lower_limit is None:
        pytest.skip("the broker tells no price band")
    known = broker.instruments.find(CASH)
    assert known is not None
    at_the_edge = OrderTerms(order_type=OrderType.LIMIT, quantity=1, limit_price=quote.lower_limit)
    beyond = OrderTerms(
        order_type=OrderType.LIMIT, quantity=1, limit_price=quote.lower_limit - known.tick_size
    )

    await broker.orders.place_order(session, an_intent(side=Side.BUY, terms=at_the_edge))
    inside = await broker.seen(session, an_intent().client_order_id)
    outside = await broker.orders.place_order(
        session, an_intent(client_order_id="outside00000001", side=Side.BUY, terms=beyond)
    )

    assert (inside.status, outside.status) == (OrderStatus.OPEN, OrderStatus.REJECTED)
    assert quote.lower_limit < await broker.price() < quote.upper_limit


async def test_order_at_the_best_offer_fills_at_once(
    broker: PaperBroker, market: MarketReader, session: BrokerSession
) -> None:
    quote = await the_quote(market, session)
    terms = OrderTerms(order_type=OrderType.LIMIT, quantity=1, limit_price=quote.ask)

    await broker.orders.place_order(session, an_intent(terms=terms))

    filled = await broker.seen(session, an_intent().client_order_id)
    assert filled.status is OrderStatus.FILLED
    assert filled.average_price is not None
    assert quote.ask is not None
    assert filled.average_price <= quote.ask


async def test_many_are_asked_for_at_once(
    broker: PaperBroker, market: MarketReader, session: BrokerSession
) -> None:
    quotes = await market.quotes(session, list(BUILT_IN))

    assert {name: quote.last for name, quote in quotes.items()} == {
        name: await broker.price(name) for name in BUILT_IN
    }
    wanted = -(-len(BUILT_IN) // broker.manifest.quotes_per_request_max)
    assert len(await arrivals(broker, "market")) == wanted


async def test_what_the_broker_does_not_list_is_missing_and_not_asked_for(
    broker: PaperBroker, market: MarketReader, session: BrokerSession
) -> None:
    assert await market.quotes(session, [NOWHERE]) == {}
    assert await market.quotes(session, []) == {}
    assert await arrivals(broker, "market") == []
    assert set(await market.quotes(session, [CASH, NOWHERE, FUTURE])) == {CASH, FUTURE}


@pytest.mark.parametrize("names", [[CASH], [CASH, FUTURE]])
@pytest.mark.parametrize("failure", QUICK)
async def test_misspoken_quote_is_an_error_and_no_price(
    broker: PaperBroker,
    market: MarketReader,
    session: BrokerSession,
    failure: str,
    names: list[str],
) -> None:
    knob = {"outcome": "act_then_fail", "failure": failure, "operations": ["market"]}
    await broker.ask("PUT", "knobs", knob)

    with pytest.raises(OutcomeUnknown):
        await market.quotes(session, names)


async def test_ended_session_sees_no_prices(
    broker: PaperBroker, market: MarketReader, session: BrokerSession
) -> None:
    await broker.ask("POST", "sessions/expire", {"client_id": session.client_id})

    with pytest.raises(SessionExpired):
        await market.quotes(session, [CASH])


async def test_quotes_count_like_every_request(
    broker: PaperBroker, market: MarketReader, session: BrokerSession
) -> None:
    await broker.ask("PUT", "limits", {"enabled": True, "others_per_second": 1})
    await market.quotes(session, [CASH])

    with pytest.raises(RateLimited) as refused:
        await market.quotes(session, [CASH])

    assert 0 < refused.value.retry_after_s <= 1
