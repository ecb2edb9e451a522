"""The order feed: every state in order, its end, and how one goes on after it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from libs.brokers.errors import BrokerError, OutcomeUnknown, SessionExpired
from libs.brokers.manifest import BrokerManifest
from libs.brokers.protocol import BrokerSession, FeedOpened
from libs.trading.orders import OrderReport, OrderStatus, OrderTerms, OrderType
from tests.conformance.paper import CASH, PaperBroker, Simulator, a_paper_broker
from tests.conformance.test_orders import TAG, placed, resting
from tests.factories import an_intent

PATIENCE_S = 5


@dataclass
class Listener:
    """Reads a feed beside the test."""

    reports: list[OrderReport] = field(default_factory=list)
    opened: asyncio.Event = field(default_factory=asyncio.Event)
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    error: BrokerError | None = None

    async def listen(self, broker: PaperBroker, session: BrokerSession) -> None:
        try:
            async for update in broker.feed.updates(session):
                if isinstance(update, FeedOpened):
                    self.opened.set()
                else:
                    self.reports.append(update)
        except BrokerError as error:
            self.error = error
        finally:
            self.ended.set()

    async def until_ended(self) -> None:
        async with asyncio.timeout(PATIENCE_S):
            await self.ended.wait()

    async def saw(self, status: OrderStatus) -> OrderReport:
        async with asyncio.timeout(PATIENCE_S):
            while True:
                for report in self.reports:
                    if report.status is status:
                        return report
                await asyncio.sleep(0.01)


@asynccontextmanager
async def listening(broker: PaperBroker, session: BrokerSession) -> AsyncIterator[Listener]:
    if not broker.manifest.order_feed:
        pytest.skip("the manifest has no order feed")
    listener = Listener()
    task = asyncio.create_task(listener.listen(broker, session))
    try:
        async with asyncio.timeout(PATIENCE_S):
            await listener.opened.wait()
        yield listener
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def test_feed_opens_first_and_tells_each_state_of_an_order(
    broker: PaperBroker, session: BrokerSession
) -> None:
    intent = an_intent(terms=await resting(broker))

    async with listening(broker, session) as listener:
        first = await placed(broker, session, intent)
        open_report = await listener.saw(OrderStatus.OPEN)
        await broker.orders.cancel_order(session, first.broker_order_id, intent)
        cancelled = await listener.saw(OrderStatus.CANCELLED)

    for report in (open_report, cancelled):
        assert report.broker_order_id == first.broker_order_id
        assert report.client_order_id == TAG
        assert (report.instrument, report.terms) == (CASH, intent.terms)
        assert report.at is not None


async def test_partial_fills_are_cumulative(broker: PaperBroker, session: BrokerSession) -> None:
    steps = [{"percent": 40}, {"percent": 60, "after_s": 0.05}]
    await broker.ask("POST", "fills", {"steps": steps})
    market = OrderTerms(order_type=OrderType.MARKET, quantity=10)

    async with listening(broker, session) as listener:
        await placed(broker, session, an_intent(terms=market))
        partial = await listener.saw(OrderStatus.PARTIAL)
        filled = await listener.saw(OrderStatus.FILLED)

    price = await broker.price()
    assert (partial.filled_quantity, partial.average_price) == (4, price)
    assert (filled.filled_quantity, filled.average_price) == (10, price)
    fills = [report.filled_quantity for report in listener.reports]
    assert fills == sorted(fills)


async def test_rejection_is_told_in_the_brokers_words(
    broker: PaperBroker, session: BrokerSession
) -> None:
    too_much = OrderTerms(
        order_type=OrderType.LIMIT, quantity=1_000_000, limit_price=await broker.price()
    )

    async with listening(broker, session) as listener:
        reply = await broker.orders.place_order(session, an_intent(terms=too_much))
        rejected = await listener.saw(OrderStatus.REJECTED)

    assert rejected.message
    assert rejected.message in reply.message


async def test_feed_tells_of_ones_own_orders_only(
    broker: PaperBroker, session: BrokerSession
) -> None:
    other = await broker.a_session("XB00002")
    intent = an_intent(terms=await resting(broker))

    async with listening(broker, session) as mine, listening(broker, other) as theirs:
        await placed(broker, other, intent)
        await theirs.saw(OrderStatus.OPEN)
        await placed(broker, session, an_intent(client_order_id="k3v9q0m2x7b1a02"))
        await mine.saw(OrderStatus.OPEN)

    assert {report.client_order_id for report in theirs.reports} == {TAG}
    assert {report.client_order_id for report in mine.reports} == {"k3v9q0m2x7b1a02"}


async def test_ended_session_ends_its_feed_and_is_refused_from_then_on(
    broker: PaperBroker, session: BrokerSession
) -> None:
    async with listening(broker, session) as listener:
        await broker.ask("POST", "sessions/expire", {"client_id": session.client_id})
        await listener.until_ended()
    assert isinstance(listener.error, OutcomeUnknown | SessionExpired)

    with pytest.raises(SessionExpired):
        await anext(aiter(broker.feed.updates(session)))


async def test_feed_breaks_with_its_server_and_the_book_tells_what_was_missed(
    manifest: BrokerManifest, tmp_path: Path
) -> None:
    server = await asyncio.to_thread(Simulator, manifest, tmp_path)
    try:
        async with a_paper_broker(manifest, server.url) as broker:
            session = await broker.a_session()
            terms = await resting(broker)
            await placed(broker, session, an_intent(terms=terms))
            async with listening(broker, session) as listener:
                await asyncio.to_thread(server.stop)
                await listener.until_ended()
            assert isinstance(listener.error, OutcomeUnknown)

            port = urlsplit(server.url).port or 0
            server = await asyncio.to_thread(Simulator, manifest, tmp_path, port)
            await broker.ask("PUT", "price", {"instrument": CASH, "price": str(terms.limit_price)})
            async with listening(broker, session) as again:
                missed = await broker.seen(session, TAG)
                later = an_intent(client_order_id="k3v9q0m2x7b1a02", terms=terms)
                await placed(broker, session, later)
                await again.saw(OrderStatus.FILLED)
    finally:
        await asyncio.to_thread(server.stop)

    assert (missed.status, missed.filled_quantity) == (OrderStatus.FILLED, terms.quantity)
    assert {report.client_order_id for report in again.reports} == {"k3v9q0m2x7b1a02"}
