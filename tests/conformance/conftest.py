"""Every test here runs once for each registered broker, against its simulator in this process."""

from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest

from libs.brokers.manifest import BrokerManifest
from libs.brokers.protocol import BrokerSession
from libs.brokers.registry import BROKERS
from libs.brokers.registry import manifest as manifest_of
from tests.conformance.paper import PaperBroker, Simulator, a_paper_broker
from tests.conformance.results import Results

HERE = Path(__file__).parent
_results = Results()

StartSimulator = Callable[[BrokerManifest], Simulator]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.fast)


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    _results.note(report)


def pytest_sessionfinish(session: pytest.Session) -> None:
    _results.write(session.config.rootpath / "run" / "conformance.json")


@pytest.fixture(params=BROKERS)
def manifest(request: pytest.FixtureRequest) -> BrokerManifest:
    request.node.user_properties.append(("broker", request.param))
    return manifest_of(request.param)


@pytest.fixture(scope="session")
def simulator_of(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StartSimulator]:
    """Start each broker's simulator once, when its first test comes."""
    running: dict[str, Simulator] = {}

    def start(manifest: BrokerManifest) -> Simulator:
        if manifest.name not in running:
            running[manifest.name] = Simulator(manifest, tmp_path_factory.mktemp(manifest.name))
        return running[manifest.name]

    yield start
    for simulator in running.values():
        simulator.stop()


@pytest.fixture
async def broker(
    manifest: BrokerManifest, simulator_of: StartSimulator
) -> AsyncIterator[PaperBroker]:
    async with a_paper_broker(manifest, simulator_of(manifest).url) as broker:
        yield broker


@pytest.fixture
async def session(broker: PaperBroker) -> BrokerSession:
    return await broker.a_session()
