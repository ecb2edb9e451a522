from pathlib import Path

import httpx
import pytest
from pydantic import ValidationError

from libs.brokers.registry import BROKERS, manifest
from services.simulator.app import build_app
from services.simulator.settings import SimulatedAppSettings, SimulatorSettings, app_options

BROKER = BROKERS[0]


def some_settings(state_dir: Path) -> SimulatorSettings:
    return SimulatorSettings(broker=BROKER, state_dir=state_dir)


async def test_health_paths_answer_beside_the_brokers_own(tmp_path: Path) -> None:
    app = build_app(some_settings(tmp_path), SimulatedAppSettings())
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app), base_url="http://simulator"
    ) as http:
        alive = await http.get("/healthz")
        ready = await http.get("/readyz")
        figures = await http.get("/metrics")
        state = await http.get("/_control/state")

    assert alive.status_code == 200
    assert ready.status_code == 503  # Nothing is served before the state is replayed.
    assert "lockstep_simulator_arrivals_total" in figures.text
    assert state.status_code == 200


def test_port_is_the_manifests_unless_one_is_set(tmp_path: Path) -> None:
    settings = some_settings(tmp_path)

    assert settings.listening_port == manifest(BROKER).simulator_port
    assert settings.model_copy(update={"port": 12345}).listening_port == 12345


def test_unknown_broker_is_refused_at_start(tmp_path: Path) -> None:
    with pytest.raises(ValidationError, match="there are"):
        SimulatorSettings(broker="nobody", state_dir=tmp_path)


def test_only_what_is_set_of_the_app_is_handed_on() -> None:
    assert app_options(SimulatedAppSettings(), BROKER) == {}
    apps = SimulatedAppSettings(**{f"{BROKER}_secret_id": "SEC"})
    assert app_options(apps, BROKER) == {"app_secret": "SEC"}
