"""Small real servers on loopback that count what arrives and then misbehave in one way each."""

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

_ACCEPTED = b'{"s":"ok","code":1101,"id":"2611230001"}'
OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (
    len(_ACCEPTED),
    _ACCEPTED,
)

Behaviour = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@dataclass
class Arrivals:
    """Requests that were read whole, and connections that were opened."""

    url: str = ""
    requests: int = 0
    connections: int = 0
    heads: list[bytes] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)


def answering(reply: bytes) -> Behaviour:
    async def behave(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(reply)
        await writer.drain()

    return behave


def answering_in_turn(*replies: bytes) -> Behaviour:
    waiting = list(replies)

    async def behave(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(waiting.pop(0))
        await writer.drain()

    return behave


def json_answer(status: int, body: bytes) -> bytes:
    head = f"HTTP/1.1 {status} Whatever\r\nContent-Type: application/json\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


OK = json_answer(200, b'{"s":"ok","code":1101,"id":"2611230001"}')


async def resetting(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Close with RST."""
    raw: socket.socket = writer.get_extra_info("socket")
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


async def finishing(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Close with FIN."""
    writer.close()


async def hanging(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
    await reader.read()


async def endless(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer with a body that never ends, chunk by chunk."""
    writer.write(
        b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
    )
    while not writer.is_closing():
        writer.write(b"10000\r\n" + b" " * 0x10000 + b"\r\n")
        await writer.drain()


async def dripping(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer one byte at a time, for ever."""
    writer.write(
        b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 9999\r\n\r\n"
    )
    while not writer.is_closing():
        writer.write(b" ")
        await writer.drain()
        await asyncio.sleep(0.02)


@asynccontextmanager
async def a_server(behave: Behaviour, **options: object) -> AsyncIterator[Arrivals]:
    """Serve one behaviour after each whole request; keep-alive while the behaviour returns."""
    arrivals = Arrivals()
    serving: set[asyncio.Task[None]] = set()
    ends = asyncio.Event()

    async def on_connection(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        arrivals.connections += 1
        if (task := asyncio.current_task()) is not None:
            serving.add(task)
        try:
            while not writer.is_closing():
                head = await reader.readuntil(b"\r\n\r\n")
                arrivals.bodies.append(await reader.readexactly(_length(head)))
                arrivals.heads.append(head)
                arrivals.requests += 1
                await behave(reader, writer)
        except (asyncio.IncompleteReadError, OSError, asyncio.CancelledError):
            pass  # The client left, or the test is over.
        finally:
            if ends.is_set():
                writer.transport.abort()
            writer.close()

    server = await asyncio.start_server(on_connection, "127.0.0.1", 0, **options)  # type: ignore[arg-type]  # Options of create_server.
    port = server.sockets[0].getsockname()[1]
    scheme = "https" if "ssl" in options else "http"
    arrivals.url = f"{scheme}://127.0.0.1:{port}/orders/sync"
    try:
        yield arrivals
    finally:
        server.close()
        ends.set()
        for task in serving:
            task.cancel()
        await asyncio.gather(*serving)
        await asyncio.sleep(0)  # Aborted connections are gone one turn later.


def _length(head: bytes) -> int:
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            return int(line.partition(b":")[2])
    return 0
