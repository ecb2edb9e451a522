"""A simulator served in this process, and every door to it."""

from collections.abc import AsyncIterator, Iterator

import pytest

from libs.brokers.protocol import BrokerSession
from libs.brokers.registry import manifest
from tests.conformance.paper import PaperBroker, Simulator, a_paper_broker


@pytest.fixture(scope="module")
def simulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulator]:
    simulator = Simulator(manifest("fyers"), tmp_path_factory.mktemp("simulator"))
    yield simulator
    simulator.stop()


@pytest.fixture
async def broker(simulator: Simulator) -> AsyncIterator[PaperBroker]:
    async with a_paper_broker(manifest("fyers"), simulator.url) as broker:
        yield broker


@pytest.fixture
async def session(broker: PaperBroker) -> BrokerSession:
    return await broker.a_session()
