"""Wiring: the simulator of one broker, with the health routes every process has."""

from typing import Any

from fastapi import FastAPI
from pydantic_settings import BaseSettings
from starlette.types import ASGIApp, Receive, Scope, Send

from libs.brokers import registry
from libs.runtime.health import health_router
from services.simulator.settings import SimulatorSettings, app_options

_HEALTH_PATHS = frozenset({"/healthz", "/readyz", "/metrics"})


def build_app(settings: SimulatorSettings, apps: BaseSettings) -> ASGIApp:
    token = settings.control_token
    simulator = registry.manifest(settings.broker).simulator(
        state_dir=settings.state_dir,
        control_token=token.get_secret_value() if token else None,
        limits_enabled=settings.limits_enabled,
        **app_options(apps, settings.broker),
    )
    return BesideHealth(simulator)


class BesideHealth:
    """The simulator answers everything but the health paths, which are not a broker's.

    Not a mounted FastAPI application: the order path would pay for its routing, and a fault knob
    needs the server's own connection.
    """

    def __init__(self, simulator: Any) -> None:  # noqa: ANN401 - whatever a broker's door builds.
        self._simulator = simulator
        self._health = FastAPI(openapi_url=None)
        self._health.include_router(health_router(self._checks))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        is_health = scope["type"] == "http" and scope["path"] in _HEALTH_PATHS
        await (self._health if is_health else self._simulator)(scope, receive, send)

    async def _checks(self) -> dict[str, bool]:
        return {"journal": self._simulator.is_ready}
