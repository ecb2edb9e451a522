import socket
from collections.abc import Iterator
from contextlib import closing

import pytest

from deploy.local.layout import REPLICAS_MAX, Ports, clean_environment, is_free, layout_of
from deploy.local.problems import Problem
from libs.brokers.registry import BROKERS


@pytest.fixture
def listener() -> Iterator[int]:
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        port: int = server.getsockname()[1]
        yield port


def test_without_settings_the_ports_are_the_documented_ones() -> None:
    ports = layout_of({}).ports

    assert (ports.web, ports.auth, ports.postgres, ports.kafka) == (8080, 8101, 5518, 9192)
    assert ports.executor_of(BROKERS[0], 2) == 8112
    assert ports.simulator_of(BROKERS[0]) == 9701


def test_a_base_moves_all_ports_and_one_setting_moves_one() -> None:
    ports = layout_of({"LOCKSTEP_PORT_BASE": "24000", "WEB_PORT": "9999"}).ports

    assert ports.web == 9999
    assert 24000 < min(ports.auth, ports.postgres) < max(ports.simulator, ports.kafka) < 24100


def test_no_two_processes_of_a_stack_share_a_port() -> None:
    for ports in (Ports(), layout_of({"LOCKSTEP_PORT_BASE": "24000"}).ports):
        used = [ports.web, ports.auth, ports.signal, ports.streaming, ports.postgres, ports.redis]
        used += [ports.kafka, ports.kafka_controller]
        for broker in BROKERS:
            used.append(ports.simulator_of(broker))
            used += [ports.executor_of(broker, number) for number in range(REPLICAS_MAX)]

        assert len(used) == len(set(used))


def test_a_running_stack_keeps_its_ports_whatever_base_is_asked_for() -> None:
    remembered = {name: 30_000 + n for n, name in enumerate(Ports.__slots__)}

    layout = layout_of({"LOCKSTEP_PORT_BASE": "auto"}, remembered)

    assert layout.ports == Ports(**remembered)


@pytest.mark.parametrize("value", ["80", "http", "70000", "-1"])
def test_what_is_no_port_is_refused_by_name(value: str) -> None:
    with pytest.raises(Problem, match=f"WEB_PORT={value} is no port"):
        layout_of({"WEB_PORT": value})


def test_a_port_somebody_listens_on_is_not_free(listener: int) -> None:
    assert not is_free(listener)


def test_no_secret_of_the_shell_reaches_a_program() -> None:
    shell = {"PATH": "/bin", "POSTGRES_DSN": "x", "ENCRYPTION_KEY": "x", "CLOUD_TOKEN": "x"}

    assert clean_environment(shell) == {"PATH": "/bin"}
