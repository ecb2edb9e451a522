"""What the manifest promises about orders holds at the broker: a fitted order is taken."""

from decimal import Decimal

import pytest

from libs.brokers.fitting import FittedOrder, WantedOrder, fit
from libs.brokers.manifest import BrokerManifest
from libs.brokers.protocol import BrokerSession
from libs.trading.instruments import InstrumentClass
from libs.trading.orders import OrderStatus, OrderTerms, OrderType, Product, Side, Validity
from libs.trading.protection import PROTECTED
from libs.trading.tags import mint_client_order_id
from tests.conformance.paper import CASH, CLIENT_ID, FUTURE, PaperBroker
from tests.factories import an_intent

OPTION = "NFO:NIFTY:2026-12-29:24500:CE"
TAG = an_intent().client_order_id


async def fitted(
    broker: PaperBroker,
    session: BrokerSession,
    name: str,
    order_type: OrderType,
    side: Side = Side.BUY,
) -> FittedOrder:
    """Fit the smallest intraday order of this kind, a trigger far from the market."""
    instrument, price = broker.instruments.find(name), await broker.price(name)
    assert instrument is not None
    trigger = price + side.sign * instrument.tick_size * 40
    terms = OrderTerms(
        order_type=order_type,
        quantity=instrument.lot_size,
        trigger_price=trigger if order_type.has_trigger_price else None,
    )
    quotes = await broker.market.quotes(session, [name]) if broker.market else {}
    wanted = WantedOrder(side=side, product=Product.INTRADAY, validity=Validity.DAY, terms=terms)
    order = fit(broker.manifest, instrument, wanted, quotes.get(name))
    if not isinstance(order, FittedOrder):
        pytest.skip(f"the broker takes no {order_type} of {name}: {order.reason}")
    return order


@pytest.mark.parametrize("side", list(Side))
@pytest.mark.parametrize("name", [CASH, FUTURE, OPTION])
async def test_fitted_market_order_fills_at_once(
    broker: PaperBroker, name: str, side: Side
) -> None:
    rich = await broker.a_session("XB00088", funds="100000000")
    order = await fitted(broker, rich, name, OrderType.MARKET, side)

    await broker.orders.place_order(rich, an_intent(instrument=name, side=side, terms=order.terms))

    report = await broker.eventually(rich, TAG, OrderStatus.FILLED)
    assert report.terms == order.terms
    assert order.protected == (order.terms.order_type is OrderType.LIMIT)
    assert order.protected or broker.manifest.protection is None


@pytest.mark.parametrize("side", list(Side))
@pytest.mark.parametrize("name", [CASH, FUTURE, OPTION])
async def test_fitted_stop_waits_for_its_trigger(
    broker: PaperBroker, name: str, side: Side
) -> None:
    rich = await broker.a_session("XB00088", funds="100000000")
    order = await fitted(broker, rich, name, OrderType.STOP, side)

    await broker.orders.place_order(rich, an_intent(instrument=name, side=side, terms=order.terms))

    report = await broker.seen(rich, TAG)
    assert (report.status, report.terms) == (OrderStatus.OPEN, order.terms)


def test_protection_knows_every_class_and_every_price(manifest: BrokerManifest) -> None:
    protection = manifest.protection
    if protection is None:
        pytest.skip("the broker takes market orders plain")

    assert protection.order_types <= set(PROTECTED)
    assert set(protection.bands) == set(InstrumentClass)
    for bands in protection.bands.values():
        steps = [band.price_max for band in bands]
        assert steps[-1] is None
        assert sorted(filter(None, steps)) == steps[:-1]
        for price in (Decimal("0.05"), Decimal(50), Decimal(100_000)):
            assert any(band.width(price) > 0 for band in bands)


def test_segments_take_no_more_than_the_broker_does(manifest: BrokerManifest) -> None:
    assert manifest.segments
    for segment in manifest.segments.values():
        assert segment.products <= manifest.products
        assert segment.order_types <= manifest.order_types
        assert segment.validities <= manifest.validities


def test_every_tag_of_ours_is_taken(manifest: BrokerManifest) -> None:
    key = b"0" * 32
    for _ in range(200):
        assert manifest.tags.takes(mint_client_order_id(key), CLIENT_ID)
