"""Place, modify, cancel, find: every order kind the manifest promises, as the book shows it."""

from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from itertools import product as combinations

import pytest

from libs.brokers.manifest import BrokerManifest
from libs.brokers.protocol import BrokerSession
from libs.brokers.registry import BROKERS
from libs.brokers.registry import manifest as manifest_of
from libs.trading.orders import (
    OrderIntent,
    OrderReport,
    OrderStatus,
    OrderTerms,
    OrderType,
    Product,
    Side,
    Validity,
)
from tests.conformance.paper import CASH, FUTURE, PaperBroker
from tests.factories import an_intent

TAG = an_intent().client_order_id
FEW = Decimal(10)


def kinds() -> Iterator[tuple[str, OrderType, Product, Validity]]:
    for name in BROKERS:
        can: BrokerManifest = manifest_of(name)
        for kind in combinations(can.order_types, can.products, can.validities):
            yield name, *kind


async def resting(
    broker: PaperBroker, order_type: OrderType = OrderType.LIMIT, instrument: str = CASH
) -> OrderTerms:
    """Terms of a buy that waits (a market order never does)."""
    price, known = await broker.price(instrument), broker.instruments.find(instrument)
    assert known is not None
    return OrderTerms(
        order_type=order_type,
        quantity=10 if known.lot_size == 1 else known.lot_size,
        limit_price={OrderType.LIMIT: price - FEW, OrderType.STOP_LIMIT: price + 2 * FEW}.get(
            order_type
        ),
        trigger_price=price + FEW if order_type.has_trigger_price else None,
    )


async def placed(broker: PaperBroker, session: BrokerSession, intent: OrderIntent) -> OrderReport:
    report = await broker.orders.place_order(session, intent)
    assert report.status is OrderStatus.ACKED, report
    return report


@pytest.mark.parametrize(
    ("manifest", "order_type", "product", "validity"), list(kinds()), indirect=["manifest"]
)
async def test_order_of_every_kind_is_in_the_book_as_it_was_meant(
    broker: PaperBroker,
    session: BrokerSession,
    order_type: OrderType,
    product: Product,
    validity: Validity,
) -> None:
    instrument = FUTURE if product is Product.CARRY_FORWARD else CASH
    terms = await resting(broker, order_type, instrument)
    intent = an_intent(instrument=instrument, product=product, validity=validity, terms=terms)

    reply = await placed(broker, session, intent)

    seen = await broker.seen(session, TAG)
    assert seen.broker_order_id == reply.broker_order_id
    assert (seen.instrument, seen.side, seen.product) == (instrument, Side.BUY, product)
    assert seen.terms == terms
    assert seen.client_order_id == TAG
    assert seen.at is not None
    [created] = await broker.created_orders()
    assert (created["tag"], created["validity"]) == (TAG, validity)
    if order_type is OrderType.MARKET:
        filled = await broker.eventually(session, TAG, OrderStatus.FILLED)
        assert filled.filled_quantity == terms.quantity
        assert filled.average_price == await broker.price(instrument)
    elif validity is Validity.DAY:
        assert seen.status is OrderStatus.OPEN


async def test_immediate_order_that_finds_nobody_is_cancelled(
    broker: PaperBroker, session: BrokerSession
) -> None:
    if Validity.IOC not in broker.manifest.validities:
        pytest.skip("the manifest has no IOC")
    intent = an_intent(validity=Validity.IOC, terms=await resting(broker))

    await placed(broker, session, intent)

    await broker.eventually(session, TAG, OrderStatus.CANCELLED)


async def test_modified_order_has_its_new_terms(
    broker: PaperBroker, session: BrokerSession
) -> None:
    intent = an_intent(terms=await resting(broker))
    first = await placed(broker, session, intent)
    terms = replace(intent.terms, quantity=25, limit_price=await broker.price() - 2 * FEW)

    report = await broker.orders.modify_order(
        session, first.broker_order_id, replace(intent, terms=terms)
    )

    assert (report.status, report.code) == (OrderStatus.ACKED, None)
    assert (await broker.seen(session, TAG)).terms == terms


async def test_refused_modification_leaves_the_order_as_it_was(
    broker: PaperBroker, session: BrokerSession
) -> None:
    intent = an_intent(terms=await resting(broker))
    first = await placed(broker, session, intent)
    off_tick = replace(intent.terms, limit_price=await broker.price() - Decimal("0.0137"))

    report = await broker.orders.modify_order(
        session, first.broker_order_id, replace(intent, terms=off_tick)
    )

    assert report.status is OrderStatus.REJECTED
    assert report.code
    assert report.message
    seen = await broker.seen(session, TAG)
    assert (seen.status, seen.terms) == (OrderStatus.OPEN, intent.terms)


async def test_cancelled_order_is_cancelled_and_a_second_cancel_says_so(
    broker: PaperBroker, session: BrokerSession
) -> None:
    intent = an_intent(terms=await resting(broker))
    first = await placed(broker, session, intent)

    report = await broker.orders.cancel_order(session, first.broker_order_id, intent)
    assert report.code is None
    assert report.status in {OrderStatus.ACKED, OrderStatus.CANCELLED}
    await broker.eventually(session, TAG, OrderStatus.CANCELLED)

    again = await broker.orders.cancel_order(session, first.broker_order_id, intent)
    assert (again.status, again.code) == (OrderStatus.CANCELLED, None)


async def test_cancel_and_modification_of_a_filled_order_report_the_fill(
    broker: PaperBroker, session: BrokerSession
) -> None:
    market = OrderTerms(order_type=OrderType.MARKET, quantity=10)
    first = await placed(broker, session, an_intent(terms=market))
    await broker.eventually(session, TAG, OrderStatus.FILLED)

    late = an_intent(terms=await resting(broker))
    for report in (
        await broker.orders.cancel_order(session, first.broker_order_id, late),
        await broker.orders.modify_order(session, first.broker_order_id, late),
    ):
        assert (report.status, report.code) == (OrderStatus.FILLED, None)
        assert report.filled_quantity == 10
        assert report.average_price == await broker.price()


async def test_cancel_of_an_order_nobody_knows_is_refused_with_a_code(
    broker: PaperBroker, session: BrokerSession
) -> None:
    report = await broker.orders.cancel_order(session, "26010100000404", an_intent())

    assert report.status is OrderStatus.REJECTED
    assert report.code
    assert report.message


async def test_order_beyond_the_margin_is_rejected_in_the_brokers_words(
    broker: PaperBroker, session: BrokerSession
) -> None:
    terms = replace(await resting(broker), quantity=1_000_000)

    report = await broker.orders.place_order(session, an_intent(terms=terms))

    assert report.status is OrderStatus.REJECTED
    assert report.code
    [booked] = (await broker.ask("GET", f"accounts/{session.client_id}/book"))["orders"]
    assert booked["status"] == "REJECTED"
    assert booked["message"] in report.message
    assert (await broker.seen(session, TAG)).status is OrderStatus.REJECTED


async def test_book_is_complete_and_each_account_sees_its_own(
    broker: PaperBroker, session: BrokerSession
) -> None:
    other = await broker.a_session("XB00002")
    terms = await resting(broker)
    tags = [f"k3v9q0m2x7b1a{n:02}" for n in range(12)]
    for tag in tags:
        await placed(broker, session, an_intent(client_order_id=tag, terms=terms))

    book = await broker.orders.order_book(session)

    assert sorted(report.client_order_id or "" for report in book) == tags
    assert await broker.orders.order_book(other) == []
    assert await broker.orders.find_order(other, tags[0]) is None


async def test_order_is_found_by_its_tag_and_no_other(
    broker: PaperBroker, session: BrokerSession
) -> None:
    await placed(broker, session, an_intent(terms=await resting(broker)))

    assert (await broker.seen(session, TAG)).client_order_id == TAG
    assert await broker.orders.find_order(session, TAG[:-1]) is None
    assert await broker.orders.find_order(session, "unknownunknown1") is None
