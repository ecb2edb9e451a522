"""The price of a signal over each broker's own wire: one arrival for all who follow."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field

import pytest

from libs.brokers.protocol import BrokerSession
from libs.trading.accounts import Environment
from services.executor.gateways import OpenGateways
from services.executor.quotes import SharedQuotes
from tests.conformance.paper import CASH, PaperBroker
from tests.conformance.test_failures import arrivals


@dataclass
class SessionsInHand:
    """Sessions a test has opened, in their order."""

    opened: list[BrokerSession]
    refused: list[str] = field(default_factory=list)

    def live(self, environment: Environment) -> Iterator[BrokerSession]:
        yield from (it for it in self.opened if it.account_id not in self.refused)

    def refuse(self, session: BrokerSession) -> None:
        self.refused.append(session.account_id)


@pytest.fixture
async def sessions(broker: PaperBroker, session: BrokerSession) -> SessionsInHand:
    return SessionsInHand([session, await broker.a_session("XB00077")])


@pytest.fixture
async def quotes(broker: PaperBroker, sessions: SessionsInHand) -> AsyncIterator[SharedQuotes]:
    if broker.market is None:
        pytest.skip("the manifest has no market door")
    doors = OpenGateways(broker.manifest, str(broker.control.base_url))
    quotes = SharedQuotes(
        sessions=sessions,
        doors=doors,
        requests_per_minute_max=broker.manifest.requests_per_minute_max,
        # What is tried here is who asks, not how fast a busy machine answers.
        wait_s=5,
    )
    yield quotes
    await quotes.aclose()
    await doors.aclose()


async def test_all_followers_of_a_signal_cost_one_request(
    broker: PaperBroker, quotes: SharedQuotes
) -> None:
    asking = (quotes.of(CASH, Environment.PAPER) for _ in range(500))

    found = await asyncio.gather(*asking)

    assert {quote.last if quote else None for quote in found} == {await broker.price()}
    assert len(await arrivals(broker, "market")) == 1


async def test_session_the_broker_ended_makes_way_for_another(
    broker: PaperBroker, sessions: SessionsInHand, quotes: SharedQuotes
) -> None:
    first, second = sessions.opened
    await broker.ask("POST", "sessions/expire", {"client_id": first.client_id})

    quote = await quotes.of(CASH, Environment.PAPER)

    assert quote is not None
    assert sessions.refused == [first.account_id]
    asked = [it["client_id"] for it in await arrivals(broker, "market")]
    assert asked[-1] == second.client_id


async def test_broker_that_hangs_leaves_the_signal_without_a_price(
    broker: PaperBroker, quotes: SharedQuotes
) -> None:
    knob = {"outcome": "fail_before_act", "failure": "hang", "operations": ["market"]}
    await broker.ask("PUT", "knobs", knob)
    quotes.wait_s = 0.05

    async with asyncio.timeout(3):
        assert await quotes.of(CASH, Environment.PAPER) is None
