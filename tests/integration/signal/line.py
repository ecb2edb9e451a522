"""A line to a server that a test can cut and mend: plain TCP, nothing understood."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit, urlunsplit


class Line:
    """Forwards connections to one server until it is cut, or silently stops when it hangs."""

    def __init__(self, host: str, port: int) -> None:
        self.port = 0
        self._target = (host, port)
        self._server: asyncio.Server | None = None
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._tasks: set[asyncio.Task[None]] = set()

    async def mend(self) -> None:
        self._flowing.set()
        if self._server is None:
            self._server = await asyncio.start_server(self._carry, "127.0.0.1", self.port)
            self.port = self._server.sockets[0].getsockname()[1]

    async def cut(self) -> None:
        """Refuse new connections and reset those that stand."""
        if self._server is not None:
            self._server.close()
            self._server = None
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def hang(self) -> None:
        """Keep every connection open and carry nothing more."""
        self._flowing.clear()

    def through(self, dsn: str) -> str:
        """Write the same address, by way of this line."""
        parts = urlsplit(dsn)
        person = parts.netloc.rpartition("@")[0]
        return urlunsplit(parts._replace(netloc=f"{person}@127.0.0.1:{self.port}"))

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            far_reader, far_writer = await asyncio.open_connection(*self._target)
            await asyncio.gather(self._pour(reader, far_writer), self._pour(far_reader, writer))
        except (asyncio.CancelledError, OSError):
            pass  # Cut: whoever spoke sees the end of the line.
        finally:
            self._tasks.discard(task)
            writer.transport.abort()

    async def _pour(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(65_536):
                await self._flowing.wait()
                writer.write(data)
                await writer.drain()
        finally:
            writer.transport.abort()


@asynccontextmanager
async def line_to(dsn: str) -> AsyncIterator[Line]:
    parts = urlsplit(dsn)
    line = Line(parts.hostname or "127.0.0.1", parts.port or 5432)
    await line.mend()
    try:
        yield line
    finally:
        await line.cut()
