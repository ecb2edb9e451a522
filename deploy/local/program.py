"""One program under the supervisor: its command, its environment and when it counts as ready."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import IntEnum


class Tier(IntEnum):
    """Started from low to high, stopped from high to low."""

    SERVER = 10
    SIMULATOR = 20
    SERVICE = 30
    EDGE = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """`ready` is asked again and again while starting; it answers, it never raises."""

    name: str
    command: tuple[str, ...]
    tier: Tier
    ready: Callable[[], bool]
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    ports: Mapping[int, str] = field(default_factory=dict)
    stop_signal: str = "TERM"
    stop_wait_s: int = 20
