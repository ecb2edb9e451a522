"""The lines of the executors: each replica reaches its servers and its broker through a proxy.

The proxy is the means of every partition here: it needs no rights and works on any machine.
"""

import asyncio
import json
import shutil
import socket
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from deploy.local.layout import Ports
from deploy.local.program import Program, Tier
from libs.brokers.registry import BROKERS
from tests.faults.chaos_proxy import RemoteProxy

SERVERS = ("postgres", "redis", "kafka", "simulator")
# Within the block of a hundred ports that a stack of its own has.
_PROXIES_FROM, _CONTROLS_FROM, _LISTENERS_FROM = 80, 90, 74


@dataclass(frozen=True, slots=True, kw_only=True)
class Wire:
    """One replica's line to one server."""

    replica: int
    server: str
    port: int
    control_port: int
    upstream: int

    @property
    def name(self) -> str:
        return f"{self.server}-{self.replica}"


@dataclass(slots=True)
class Wires:
    wires: Sequence[Wire]
    _troubled: set[str] = field(default_factory=set)

    @staticmethod
    def laid(ports: Ports, replicas: int) -> "Wires":
        """Plan a line for each replica and server."""
        upstream = {
            "postgres": ports.postgres,
            "redis": ports.redis,
            "simulator": ports.simulator_of(BROKERS[0]),
        }
        wires = []
        for replica in range(replicas):
            for at, server in enumerate(SERVERS):
                place = replica * len(SERVERS) + at
                wires.append(
                    Wire(
                        replica=replica,
                        server=server,
                        port=ports.web + _PROXIES_FROM + place,
                        control_port=ports.web + _CONTROLS_FROM + place,
                        # Kafka tells its clients where to connect: each line has its own door.
                        upstream=upstream.get(server, ports.web + _LISTENERS_FROM + replica),
                    )
                )
        return Wires(wires)

    def program(self, folder: Path) -> Program:
        """Build the process that holds all proxies."""
        file = folder / "wires.json"
        file.write_text(
            json.dumps({w.name: [w.port, w.control_port, w.upstream] for w in self.wires})
        )
        return Program(
            name="wires",
            command=(sys.executable, "-m", "tests.faults.switchboard", str(file)),
            tier=Tier.SERVER,
            ready=self._answers,
        )

    def settings(self, replica: int, given: Mapping[str, str]) -> dict[str, str]:
        """Replace the addresses a replica was given by those of its lines."""
        mine = {wire.server: wire for wire in self.wires if wire.replica == replica}
        if not mine:
            return {}
        changed = {
            name: given[name].replace(f":{mine[server].upstream}", f":{mine[server].port}")
            for name, server in (("POSTGRES_DSN", "postgres"), ("REDIS_URL", "redis"))
        }
        return {
            **changed,
            "KAFKA_BOOTSTRAP_SERVERS": f"127.0.0.1:{mine['kafka'].port}",
            "SIMULATOR_URLS": json.dumps(
                {BROKERS[0]: f"http://127.0.0.1:{mine['simulator'].port}"}
            ),
        }

    def advertise(self, properties: Path) -> None:
        """Give Kafka one more door for each replica; its address is the proxy's."""
        doors = [(f"REPLICA{w.replica}", w) for w in self.wires if w.server == "kafka"]
        additions = {
            "listeners": [f"{name}://127.0.0.1:{w.upstream}" for name, w in doors],
            "advertised.listeners": [f"{name}://127.0.0.1:{w.port}" for name, w in doors],
            "listener.security.protocol.map": [f"{name}:PLAINTEXT" for name, _ in doors],
        }
        lines = []
        for line in properties.read_text().splitlines():
            name, _, value = line.partition("=")
            lines.append(f"{name}={','.join([value, *additions.get(name, [])])}")
        properties.write_text("\n".join(lines) + "\n")

    async def silence(self, server: str, replica: int | None = None) -> None:
        """Let nothing through any more, in either direction, on lines that stand and new ones."""
        for wire in self._of(server, replica):
            self._troubled.add(wire.name)
            await _ask(wire, "add", kind="blackhole")

    async def refuse(self, server: str, replica: int | None = None) -> None:
        """Refuse new connections, and end those that stand."""
        for wire in self._of(server, replica):
            self._troubled.add(wire.name)
            await _ask(wire, "add", kind="down")
            await _ask(wire, "cut")

    async def mend(self, *, late: bool = False) -> None:
        """Let everything through. What was held back arrives `late`, or is lost with its line."""
        for wire in [wire for wire in self.wires if wire.name in self._troubled]:
            if not late:
                await _ask(wire, "cut")
            await _ask(wire, "clear")
            self._troubled.discard(wire.name)

    def means(self) -> dict[str, str]:
        """Say how partitions are made in this run."""
        why = "" if shutil.which("nft") else " (there is no nft here)"
        return {
            "partition": f"chaos proxy between each executor and its servers{why}",
            "slow-loris, reset, hang, redirect": "the simulator itself, at its own socket",
        }

    def _of(self, server: str, replica: int | None) -> Iterator[Wire]:
        for wire in self.wires:
            if wire.server == server and replica in {None, wire.replica}:
                yield wire

    def _answers(self) -> bool:
        for wire in self.wires:
            try:
                socket.create_connection(("127.0.0.1", wire.control_port), timeout=1).close()
            except OSError:
                return False
        return True


async def _ask(wire: Wire, do: str, **arguments: str) -> None:
    await asyncio.to_thread(RemoteProxy(wire.control_port).ask, do, **arguments)
