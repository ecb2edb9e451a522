"""A TCP proxy that mistreats what passes through it: PostgreSQL, Kafka, Redis, HTTP, anything.

The toxics have Toxiproxy's names and fields (latency, bandwidth, slow_close, timeout, reset_peer,
slicer, limit_data), and three more: `jitter`, `blackhole` (accepts and forwards nothing) and `down`
(refuses). Use `ChaosProxy` in process, or, steered over its control port by `RemoteProxy`:

    python -m tests.faults.chaos_proxy --upstream 127.0.0.1:5432 --control-port 0

A Kafka broker tells its clients where to connect: it must advertise the proxy's address.
"""

import argparse
import asyncio
import contextlib
import json
import signal
import socket
import sys
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, Self

from tests.faults.chaos_line import CHUNK_BYTES, Line
from tests.faults.toxics import DOWNSTREAM, UPSTREAM, Toxic, Toxics

_CONNECTIONS_MAX = 2000
_BACKLOG = 1024


class ChaosProxy:
    """Listens for clients and forwards to one upstream. Toxics act on lines that stand, too."""

    def __init__(
        self, upstream: tuple[str, int], listen: tuple[str, int] = ("127.0.0.1", 0), seed: int = 7
    ) -> None:
        """Forward to `upstream`; port 0 is any free port, known after the start."""
        self.host, self.port = listen
        self.forwarded = {UPSTREAM: 0, DOWNSTREAM: 0}
        self._upstream = upstream
        self._toxics = Toxics(seed)
        self._lines: set[Line] = set()
        self._server: asyncio.Server | None = None
        self._bound: socket.socket | None = None

    async def __aenter__(self) -> Self:
        """Start listening."""
        self._bind()
        await self._listen_or_refuse()
        return self

    async def __aexit__(self, *_: object) -> None:
        """Cut every line and stop."""
        self._refuse()
        if self._bound is not None:
            self._bound.close()
        tasks = [line.task for line in self._lines]
        self.cut()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def add(self, kind: str, **attributes: Any) -> Toxic:
        """Add a toxic; it is named by its kind if it has no name. Raise `ValueError`."""
        toxic = self._toxics.add(kind, attributes)
        await self._listen_or_refuse()
        return toxic

    async def remove(self, name: str) -> None:
        """Take one toxic away. Raise `ValueError` when it is not there."""
        self._toxics.remove(name)
        await self._listen_or_refuse()

    async def clear(self) -> None:
        self._toxics.clear()
        await self._listen_or_refuse()

    def cut(self, *, reset: bool = True) -> int:
        """End every line that stands, by a reset or an orderly close; return how many."""
        lines = list(self._lines)
        for line in lines:
            line.end(reset=reset)
            line.task.cancel()
        return len(lines)

    @property
    def connections(self) -> int:
        return len(self._lines)

    def state(self) -> Mapping[str, Any]:
        return {
            "port": self.port,
            "connections": self.connections,
            "forwarded": self.forwarded,
            "toxics": list(map(asdict, self._toxics)),
        }

    async def _listen_or_refuse(self) -> None:
        is_down = any(toxic.kind == "down" for toxic in self._toxics)
        if is_down and self._server is not None:
            self._refuse()
            self._bind()
        elif not is_down and self._server is None:
            bound, self._bound = self._bound, None
            self._server = await asyncio.start_server(
                self._serve, sock=bound, limit=CHUNK_BYTES, backlog=_BACKLOG
            )

    def _bind(self) -> None:
        """Hold the port without listening: who connects is refused, and nobody else takes it."""
        self._bound = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self._bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._bound.bind((self.host, self.port))
        self.port = self._bound.getsockname()[1]

    def _refuse(self) -> None:
        server, self._server = self._server, None
        if server is not None:
            # Not `wait_closed`: from Python 3.12 on it waits for every line to end.
            server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        line = Line(self._toxics, self._upstream, self.forwarded, (reader, writer))
        if len(self._lines) >= _CONNECTIONS_MAX:
            line.end(reset=True)
            return
        self._lines.add(line)
        try:
            # Nobody waits for this task: being cut is how many lines end.
            with contextlib.suppress(asyncio.CancelledError):
                await line.run()
        finally:
            self._lines.discard(line)


class RemoteProxy:
    """Steers a proxy in another process: one JSON object a line there, one back."""

    def __init__(self, control_port: int, host: str = "127.0.0.1") -> None:
        """Talk to the control port; each command has a connection of its own."""
        self._address = (host, control_port)

    def ask(self, do: str, **arguments: Any) -> Any:
        """Do `add`, `remove`, `clear`, `cut` or `state`. Raise `ValueError` with the reason."""
        with socket.create_connection(self._address, timeout=10) as line:
            line.sendall(json.dumps({"do": do, **arguments}).encode() + b"\n")
            answer = json.loads(line.makefile("rb").readline())
        if "error" in answer:
            raise ValueError(answer["error"])
        return answer


async def serve_control(proxy: ChaosProxy, host: str, port: int) -> asyncio.Server:
    """Take commands on this port, in JSON lines; for callers on this machine."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while line := await reader.readline():
                writer.write(json.dumps(await _carry_out(proxy, line)).encode() + b"\n")
                await writer.drain()
        except (OSError, ValueError):  # The caller left, or its line was too long.
            return
        finally:
            writer.close()

    return await asyncio.start_server(serve, host, port)


async def _carry_out(proxy: ChaosProxy, line: bytes) -> Mapping[str, Any]:
    try:
        command = json.loads(line)
        match command.pop("do"):
            case "add":
                return asdict(await proxy.add(**command))
            case "remove":
                await proxy.remove(**command)
            case "clear":
                await proxy.clear()
            case "cut":
                return {"cut": proxy.cut(**command)}
            case "state":
                pass
            case other:
                return {"error": f"do: {other!r} is none of add, remove, clear, cut, state"}
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        return {"error": str(error) or repr(error)}
    return proxy.state()


def _address(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    return host or "127.0.0.1", int(port)


async def main() -> None:
    """Run one proxy until SIGTERM; the first line of output names its ports."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults.chaos_proxy")
    parser.add_argument("--listen", type=_address, default=("127.0.0.1", 0))
    parser.add_argument("--upstream", type=_address, required=True)
    parser.add_argument("--control-port", type=int, default=0)
    given = parser.parse_args()
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    async with ChaosProxy(given.upstream, given.listen) as proxy:
        control = await serve_control(proxy, "127.0.0.1", given.control_port)
        ports = {"port": proxy.port, "control_port": control.sockets[0].getsockname()[1]}
        sys.stdout.write(json.dumps(ports) + "\n")
        sys.stdout.flush()
        await stopping.wait()
        control.close()


if __name__ == "__main__":
    asyncio.run(main())
