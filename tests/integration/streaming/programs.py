"""Processes and lines of the streaming tests: the service, a simulator, a line that can be cut."""

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx

_ROOT = Path(__file__).resolve().parents[3]
_START_S_MAX = 30.0
_STOP_S_MAX = 15.0


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


async def eventually(
    holds: Callable[[], bool] | Callable[[], Awaitable[bool]], seconds_max: float = 15.0
) -> None:
    """Look again and again until it holds: what is awaited happens in other processes."""
    async with asyncio.timeout(seconds_max):
        while True:
            answer = holds()
            if answer if isinstance(answer, bool) else await answer:
                return
            await asyncio.sleep(0.05)


@dataclass(kw_only=True)
class Running:
    """One `python -m services.…` process."""

    port: int
    process: subprocess.Popen[bytes]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def send(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    async def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        if self.process.poll() is None:
            self.send(number)
        return await asyncio.to_thread(self.process.wait, _STOP_S_MAX)


@contextmanager
def started_program(
    name: str, environment: Mapping[str, str], output: Path
) -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, "-m", f"services.{name}"]
    with (
        output.open("wb") as sink,
        subprocess.Popen(  # noqa: S603  # our own services
            command, cwd=_ROOT, env={**os.environ, **environment}, stdout=sink, stderr=sink
        ) as process,
    ):
        try:
            yield process
        finally:
            process.terminate()
            try:
                process.wait(_STOP_S_MAX)
            except subprocess.TimeoutExpired:
                process.kill()


@asynccontextmanager
async def running_program(
    name: str, environment: Mapping[str, str], port: int, output: Path
) -> AsyncIterator[Running]:
    with started_program(name, environment, output) as process:
        program = Running(port=port, process=process)
        async with httpx.AsyncClient(base_url=program.url, trust_env=False) as http:
            try:
                await until_ready(http)
            except TimeoutError:
                raise AssertionError(_last_words(output)) from None
        yield program


def _last_words(output: Path) -> str:
    return output.read_text()[-2_000:]


async def until_ready(http: httpx.AsyncClient) -> None:
    async def is_ready() -> bool:
        with contextlib.suppress(httpx.HTTPError):
            return (await http.get("/readyz")).status_code == 200
        return False

    await eventually(is_ready, _START_S_MAX)


@dataclass
class CuttableLine:
    """A plain TCP line to a server; cut, it takes nobody in and lets everybody fall."""

    target_port: int
    port: int = 0
    is_cut: bool = False
    _server: asyncio.Server | None = None
    _writers: set[asyncio.StreamWriter] = field(default_factory=set)

    @asynccontextmanager
    async def open(self) -> AsyncIterator["CuttableLine"]:
        server = await asyncio.start_server(self._carry, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            self.cut()
            server.close()
            await server.wait_closed()

    def cut(self) -> None:
        self.is_cut = True
        for writer in list(self._writers):
            writer.transport.abort()

    def mend(self) -> None:
        self.is_cut = False

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.is_cut:
            writer.transport.abort()
            return
        there, back = await asyncio.open_connection("127.0.0.1", self.target_port)
        self._writers |= {writer, back}
        try:
            await asyncio.gather(_copy(reader, back), _copy(there, writer))
        finally:
            self._writers -= {writer, back}


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while chunk := await reader.read(65_536):
            writer.write(chunk)
            await writer.drain()
    with contextlib.suppress(OSError):
        writer.close()


class AuthThatKnowsNobody:
    """Answers auth's internal questions: no such sign-in, no such session."""

    url = ""

    @asynccontextmanager
    async def open(self) -> AsyncIterator["AuthThatKnowsNobody"]:
        server = await asyncio.start_server(self._answer, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        try:
            yield self
        finally:
            server.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            await reader.readuntil(b"\r\n\r\n")
            body = b'{"principal": null, "sessions": []}'
            head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n"
            writer.write(head + b"Content-Length: %d\r\n\r\n" % len(body) + body)
            await writer.drain()
        writer.close()
