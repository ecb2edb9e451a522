"""The lines of the executors: each replica reaches its servers and its broker through a proxy."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from deploy.local.layout import Ports
from deploy.local.program import Program


@dataclass(slots=True)
class Wires:
    names: Sequence[str]

    @classmethod
    @asynccontextmanager
    async def open(cls, ports: Ports, names: Sequence[str]) -> AsyncIterator[Self]:
        yield cls(names)

    def settings(self, number: int, program: Program) -> dict[str, str]:
        return {}

    def advertise(self, properties: Path) -> None:
        pass

    def means(self) -> dict[str, str]:
        return {"partitions": "none yet"}

    def mend(self) -> None:
        pass
