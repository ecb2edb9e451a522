"""One connection through the chaos proxy: two directions, each with its toxics and its bounds."""

import asyncio
import socket
import struct
from dataclasses import dataclass, field
from typing import Any

from tests.faults.toxics import DOWNSTREAM, UPSTREAM, Toxics

CHUNK_BYTES = 64 * 1024
_CHUNKS_MAX = 16
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)


class Line:
    """One client's connection and its other half."""

    def __init__(
        self,
        toxics: Toxics,
        upstream: tuple[str, int],
        forwarded: dict[str, int],
        client: tuple[asyncio.StreamReader, asyncio.StreamWriter],
    ) -> None:
        """Belong to the task that makes it; `forwarded` counts bytes by direction."""
        self.toxics = toxics
        self.forwarded = forwarded
        self._upstream = upstream
        self.task = _current_task()
        self.opened_at = asyncio.get_running_loop().time()
        self._client = client
        self._writers = [client[1]]

    async def run(self) -> None:
        watching = asyncio.create_task(self._end_in_time())
        try:
            await self.toxics.stand_still(UPSTREAM, "blackhole")
            server = await asyncio.open_connection(*self._upstream, limit=CHUNK_BYTES)
            self._writers.append(server[1])
            async with asyncio.TaskGroup() as group:
                for stream, (reader, _), (_, writer) in (
                    (UPSTREAM, self._client, server),
                    (DOWNSTREAM, server, self._client),
                ):
                    pump = _Pump(self, stream, reader, writer)
                    group.create_task(pump.read())
                    group.create_task(pump.write())
        except* OSError:
            self.end(reset=True)
        finally:
            watching.cancel()
            self.end(reset=False)
            await asyncio.gather(watching, return_exceptions=True)

    def end(self, *, reset: bool) -> None:
        """Close both halves; whoever reads or writes on them stops."""
        for writer in self._writers:
            if reset and not writer.transport.is_closing():
                line: socket.socket = writer.get_extra_info("socket")
                line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
                writer.transport.abort()
            else:
                writer.close()

    async def _end_in_time(self) -> None:
        """Carry out `reset_peer` and `timeout` when their time has come."""
        while True:
            now = asyncio.get_running_loop().time()
            ends = [
                (max(self.opened_at, toxic.added_at) + toxic.timeout_ms / 1000, toxic.kind)
                for toxic in self.toxics
                if toxic.kind == "reset_peer" or (toxic.kind == "timeout" and toxic.timeout_ms)
            ]
            at, kind = min(ends, default=(None, ""))
            if at is not None and at <= now:
                self.end(reset=kind == "reset_peer")
                self.task.cancel()
                return
            await self.toxics.wait_for_change(None if at is None else at - now)


@dataclass
class _Pump:
    """One direction of a line: what was read waits in a bounded queue until it may be written."""

    line: Line
    stream: str
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    passed: int = 0
    queue: asyncio.Queue[tuple[float, bytes]] = field(
        default_factory=lambda: asyncio.Queue(_CHUNKS_MAX)
    )

    async def read(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            chunk = await self.reader.read(CHUNK_BYTES)
            await self.queue.put((loop.time(), chunk))
            if not chunk:
                return

    async def write(self) -> None:
        toxics = self.line.toxics
        while True:
            read_at, chunk = await self.queue.get()
            await toxics.stand_still(self.stream, "blackhole", "timeout")
            if not chunk:
                await self._close()
                return
            await self._delay(read_at)
            for piece in self._slices(chunk):
                await self._send(piece)

    async def _close(self) -> None:
        for toxic in self.line.toxics.of("slow_close", self.stream):
            await asyncio.sleep(toxic.delay_ms / 1000)
        if self.writer.can_write_eof() and not self.writer.is_closing():
            self.writer.write_eof()

    async def _delay(self, read_at: float) -> None:
        """Wait until the chunk is old enough for the latency as it is now; a change counts."""
        toxics, loop = self.line.toxics, asyncio.get_running_loop()
        share = toxics.dice.random()
        while True:
            late_ms = sum(
                toxic.latency_ms + share * toxic.jitter_ms
                for kind in ("latency", "jitter")
                for toxic in toxics.of(kind, self.stream)
            )
            left_s = read_at + late_ms / 1000 - loop.time()
            if left_s <= 0:
                return
            await toxics.wait_for_change(left_s)

    def _slices(self, chunk: bytes) -> list[bytes]:
        toxics = self.line.toxics
        sizes = [it.rate_kib_s * 1024 / 10 for it in toxics.of("bandwidth", self.stream)]
        slicers = toxics.of("slicer", self.stream)
        pieces, start = [], 0
        while start < len(chunk):
            cuts = [
                toxic.average_bytes
                + toxics.dice.randint(-toxic.variation_bytes, toxic.variation_bytes)
                for toxic in slicers
            ]
            size = max(1, int(min([*sizes, *cuts, CHUNK_BYTES])))
            pieces.append(chunk[start : start + size])
            start += size
        return pieces

    async def _send(self, piece: bytes) -> None:
        toxics = self.line.toxics
        await toxics.stand_still(self.stream, "blackhole", "timeout")
        limits = [toxic.bytes for toxic in toxics.of("limit_data", self.stream)]
        allowed = max(0, min(limits) - self.passed) if limits else len(piece)
        piece = piece[:allowed]
        self.writer.write(piece)
        await self.writer.drain()
        self.passed += len(piece)
        self.line.forwarded[self.stream] += len(piece)
        if limits and self.passed >= min(limits):
            self.line.end(reset=False)
            self.line.task.cancel()
            return
        waits_s = [
            *(len(piece) / 1024 / it.rate_kib_s for it in toxics.of("bandwidth", self.stream)),
            *(it.delay_us / 1_000_000 for it in toxics.of("slicer", self.stream)),
        ]
        if waits_s:
            await asyncio.sleep(max(waits_s))


def _current_task() -> asyncio.Task[Any]:
    task = asyncio.current_task()
    assert task is not None
    return task
