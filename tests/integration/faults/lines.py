"""Servers that echo or talk without end, and lines to them through a proxy."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tests.faults.chaos_proxy import ChaosProxy

Line = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class EchoServer:
    """Says back what it hears, to the end of each line, and counts who came."""

    def __init__(self) -> None:
        self.connections = 0

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while chunk := await reader.read(65536):
                writer.write(chunk)
                await writer.drain()
        except ConnectionError:
            return
        finally:
            writer.close()


class TalkingServer:
    """Writes without end and counts what it got rid of."""

    def __init__(self) -> None:
        self.written = 0

    async def __call__(self, _: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                writer.write(b"x" * 65536)
                await writer.drain()
                self.written += 65536
        except ConnectionError:
            return
        finally:
            writer.close()


@asynccontextmanager
async def behind_proxy(server: EchoServer | TalkingServer) -> AsyncIterator[ChaosProxy]:
    listening = await asyncio.start_server(server, "127.0.0.1", 0)
    async with listening:
        address = listening.sockets[0].getsockname()
        async with ChaosProxy(address) as proxy:
            yield proxy


@asynccontextmanager
async def a_line(proxy: ChaosProxy) -> AsyncIterator[Line]:
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
    try:
        yield reader, writer
    finally:
        writer.close()


async def echoed(line: Line, data: bytes = b"hello") -> bytes:
    reader, writer = line
    writer.write(data)
    return await asyncio.wait_for(reader.readexactly(len(data)), 10)


async def is_silent(line: Line, for_s: float = 0.2) -> bool:
    try:
        async with asyncio.timeout(for_s):
            await line[0].read(1)
    except TimeoutError:
        return True
    return False


def some_bytes(count: int) -> bytes:
    return random.Random(1).randbytes(count)  # noqa: S311 - the same bytes every time.
