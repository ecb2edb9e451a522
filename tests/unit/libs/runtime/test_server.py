"""Whoever answers keeps an idle line open for longer than whoever asks."""

import pytest
from fastapi import FastAPI

from libs.brokers.registry import BROKERS, manifest
from libs.runtime.server import config_of


@pytest.mark.parametrize("broker", BROKERS)
def test_a_simulator_does_not_hang_up_on_a_line_its_clients_still_use(broker: str) -> None:
    served = config_of(FastAPI(), "127.0.0.1", 0)

    assert served.timeout_keep_alive > manifest(broker).idle_connection_s
