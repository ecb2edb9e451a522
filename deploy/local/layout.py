"""Where one stack lives: its folder, its cache and its ports, all settable by environment.

Two stacks never meet as long as their LOCKSTEP_STATE_DIR and ports differ.
"""

import contextlib
import os
import random
import socket
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from deploy.local.problems import Problem
from libs.brokers.registry import BROKERS, manifest

ROOT = Path(__file__).resolve().parents[2]
REPLICAS_MAX = 8
_BROKER_STRIDE = 10
_SIMULATORS_FROM = 9701

# A block of a hundred ports, in this order, when LOCKSTEP_PORT_BASE is set.
_OFFSETS = {
    "web": 0,
    "auth": 1,
    "signal": 2,
    "streaming": 3,
    "executor": 10,
    "simulator": 50,
    "postgres": 70,
    "redis": 71,
    "kafka": 72,
    "kafka_controller": 73,
}
_SETTINGS = {
    "web": "WEB_PORT",
    "auth": "AUTH_PORT",
    "signal": "SIGNAL_PORT",
    "streaming": "STREAMING_PORT",
    "executor": "EXECUTOR_PORT",
    "simulator": "SIMULATOR_PORT",
    "postgres": "LOCKSTEP_POSTGRES_PORT",
    "redis": "LOCKSTEP_REDIS_PORT",
    "kafka": "LOCKSTEP_KAFKA_PORT",
    "kafka_controller": "LOCKSTEP_KAFKA_CONTROLLER_PORT",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    """`executor` and `simulator` are the first of a row: one per replica, one per broker."""

    web: int = 8080
    auth: int = 8101
    signal: int = 8102
    streaming: int = 8103
    executor: int = 8110
    simulator: int = _SIMULATORS_FROM
    postgres: int = 5518
    redis: int = 6481
    kafka: int = 9192
    kafka_controller: int = 9193

    def executor_of(self, broker: str, replica: int) -> int:
        return self.executor + BROKERS.index(broker) * _BROKER_STRIDE + replica

    def simulator_of(self, broker: str) -> int:
        return self.simulator + manifest(broker).simulator_port - _SIMULATORS_FROM

    @staticmethod
    def setting(name: str) -> str:
        """Name the environment variable that moves this port."""
        return _SETTINGS[name]


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """`state` is everything `make clean` removes; `cache` is shared by all stacks of a user."""

    state: Path
    cache: Path
    ports: Ports
    root: Path = ROOT

    @property
    def log(self) -> Path:
        return self.state / "log"

    @property
    def stack_file(self) -> Path:
        return self.state / "stack.json"


def layout_of(
    environment: Mapping[str, str], remembered: Mapping[str, int] | None = None
) -> Layout:
    """Read the settings. `remembered` are the ports of a stack that stands in the folder."""
    return Layout(
        state=state_dir(environment),
        cache=_cache_dir(environment),
        ports=_ports(environment, remembered),
    )


def state_dir(environment: Mapping[str, str]) -> Path:
    return Path(environment.get("LOCKSTEP_STATE_DIR") or ROOT / "run").absolute()


def _cache_dir(environment: Mapping[str, str]) -> Path:
    if chosen := environment.get("LOCKSTEP_CACHE_DIR"):
        return Path(chosen).absolute()
    home = environment.get("XDG_CACHE_HOME") or Path(environment.get("HOME", "~")) / ".cache"
    return Path(home).expanduser().absolute() / "lockstep"


def _ports(environment: Mapping[str, str], remembered: Mapping[str, int] | None) -> Ports:
    base = environment.get("LOCKSTEP_PORT_BASE", "")
    if remembered:
        chosen = {name: int(port) for name, port in remembered.items()}
    elif base:
        first = _free_block() if base == "auto" else _number("LOCKSTEP_PORT_BASE", base)
        chosen = {name: first + offset for name, offset in _OFFSETS.items()}
    else:
        chosen = asdict(Ports())
    for name, setting in _SETTINGS.items():
        if value := environment.get(setting):
            chosen[name] = _number(setting, value)
    return Ports(**{field.name: chosen[field.name] for field in fields(Ports)})


def _number(setting: str, value: str) -> int:
    if not value.isdecimal() or not 1024 <= int(value) <= 65_000:
        raise Problem(f"{setting}={value} is no port", "Give a number from 1024 to 65000")
    return int(value)


def _free_block() -> int:
    """Find a hundred ports nobody uses, below the range the system hands out by itself."""
    candidates = list(range(20_000, 32_000, 100))
    random.shuffle(candidates)
    for first in candidates:
        if all(is_free(first + offset) for offset in _OFFSETS.values()):
            return first
    raise Problem("No block of free ports between 20000 and 32000", "Set LOCKSTEP_PORT_BASE")


def is_free(port: int) -> bool:
    with contextlib.closing(socket.socket()) as probe:
        # As servers do it: a port in TIME_WAIT is free, one that somebody listens on is not.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def clean_environment(environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Keep what any program needs and nothing else: no secret reaches a process by accident."""
    wanted = ("PATH", "HOME", "USER", "LANG", "LC_ALL", "TZ", "TMPDIR", "JAVA_HOME")
    kept = {name: environment[name] for name in wanted if name in environment}
    kept |= {n: v for n, v in environment.items() if n.startswith(("SSL_CERT_", "LD_LIBRARY"))}
    return kept
