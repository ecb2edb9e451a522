"""What an account owns: funds, positions, holdings, exact."""

from dataclasses import replace
from decimal import Decimal

import pytest

from libs.brokers.protocol import BrokerSession
from libs.paper.instruments import BUILT_IN
from libs.trading.orders import OrderStatus, OrderTerms, OrderType, Product, Side
from tests.conformance.paper import CASH, CLIENT_ID, FUTURE, PaperBroker
from tests.factories import an_intent

MARKET = OrderTerms(order_type=OrderType.MARKET, quantity=7)


async def test_profile_is_the_clients_own(broker: PaperBroker, session: BrokerSession) -> None:
    assert (await broker.account.profile(session)).broker_client_id == CLIENT_ID


async def test_funds_are_exact(broker: PaperBroker, session: BrokerSession) -> None:
    other = await broker.a_session("XB00077", funds="123456.75")

    funds = await broker.account.funds(other)

    assert funds.available == Decimal("123456.75")
    assert (await broker.account.funds(session)).available == Decimal(1_000_000)


async def test_filled_order_becomes_a_position(broker: PaperBroker, session: BrokerSession) -> None:
    assert await broker.account.positions(session) == []
    price = await broker.price()

    await broker.orders.place_order(session, an_intent(terms=MARKET, side=Side.SELL))
    await broker.eventually(session, an_intent().client_order_id, OrderStatus.FILLED)

    [position] = await broker.account.positions(session)
    assert (position.instrument, position.product) == (CASH, Product.INTRADAY)
    assert (position.net_quantity, position.average_price) == (-7, price)


async def test_every_execution_is_in_the_trade_book_under_our_tag(
    broker: PaperBroker, session: BrokerSession
) -> None:
    assert await broker.account.trade_book(session) == []
    price = await broker.price()

    await broker.orders.place_order(session, an_intent(terms=MARKET, side=Side.SELL))
    order = await broker.eventually(session, an_intent().client_order_id, OrderStatus.FILLED)

    trades = await broker.account.trade_book(session)
    tag = an_intent().client_order_id if broker.manifest.tags_echoed else None
    assert sum(trade.signed_quantity for trade in trades) == -7
    assert {(t.broker_order_id, t.client_order_id) for t in trades} == {
        (order.broker_order_id, tag)
    }
    assert {(trade.instrument, trade.price) for trade in trades} == {(CASH, price)}
    assert len({trade.trade_id for trade in trades}) == len(trades)


async def test_holdings_are_readable(broker: PaperBroker, session: BrokerSession) -> None:
    assert await broker.account.holdings(session) == []


async def test_instrument_is_known_with_its_steps_or_not_at_all(broker: PaperBroker) -> None:
    instrument = broker.instruments.find(CASH)

    assert instrument is not None
    assert (instrument.name, instrument.lot_size) == (CASH, 1)
    assert instrument.tick_size > 0
    assert broker.instruments.find("NSE:NOWHERE") is None


@pytest.mark.parametrize("name", sorted(BUILT_IN))
async def test_instrument_has_the_steps_the_exchange_keeps(broker: PaperBroker, name: str) -> None:
    instrument, listed = broker.instruments.find(name), BUILT_IN[name]

    assert instrument is not None
    assert (instrument.lot_size, instrument.tick_size, instrument.freeze_quantity) == (
        listed.lot_size,
        listed.tick_size,
        listed.freeze_quantity,
    )
    is_index_contract = not listed.is_cash and listed.parsed.underlying == "NIFTY"
    assert instrument.on_index is is_index_contract


@pytest.mark.parametrize("name", [FUTURE, "NFO:NIFTY:2026-12-29:24500:CE"])
async def test_freeze_quantity_is_the_most_that_one_order_may_ask_for(
    broker: PaperBroker, name: str
) -> None:
    rich = await broker.a_session("XB00088", funds="999999999999")
    instrument, price = broker.instruments.find(name), await broker.price(name)
    assert instrument is not None
    assert instrument.freeze_quantity is not None
    most = instrument.freeze_quantity // instrument.lot_size * instrument.lot_size
    terms = OrderTerms(order_type=OrderType.LIMIT, quantity=most, limit_price=price)

    await broker.orders.place_order(rich, an_intent(instrument=name, terms=terms))
    too_much = replace(terms, quantity=most + instrument.lot_size)
    report = await broker.orders.place_order(
        rich, an_intent(client_order_id="toomuch00000001", instrument=name, terms=too_much)
    )

    taken = await broker.eventually(rich, an_intent().client_order_id, OrderStatus.FILLED)
    assert taken.filled_quantity == most
    assert report.status is OrderStatus.REJECTED
