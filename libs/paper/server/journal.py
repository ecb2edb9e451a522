"""The append-only record of what arrived and what changed: the judge of every fault test.

One JSON object per line, numbered by `n` without gaps, over restarts too. Lines are committed in
groups: everything appended while a group is being synced forms the next one, so a thousand
answers wait for a few `fdatasync` calls. After a failed write nothing is accepted any more.
"""

import asyncio
import fcntl
import os
import re
from bisect import bisect_right
from collections.abc import Callable, Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Self

import orjson

Record = dict[str, Any]

_INDEX_EVERY = 1000
_HEAD = re.compile(rb'\{"n":(\d+),"kind":"(\w+)"')
_OPTIONS = orjson.OPT_APPEND_NEWLINE | orjson.OPT_UTC_Z | orjson.OPT_NAIVE_UTC


class JournalBroken(Exception):
    """The journal could not be written: nothing may be answered, the process must end."""


class StateInUse(Exception):
    """Another simulator already writes this journal."""


class _Group:
    """Lines that become durable together, and what to do once they are."""

    def __init__(self) -> None:
        self.lines: list[bytes] = []
        self.after: list[Callable[[], None]] = []
        self.committed = asyncio.Event()


class Journal:
    """One file. `append` is instant, `durable` waits, `after_commit` runs in order of appending."""

    def __init__(self, path: Path) -> None:
        """Open the file for this process alone; a torn last line (a crash) is cut off."""
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        self._lock()
        self._size = _cut_torn_line(self._file)
        self._index: list[tuple[int, int]] = [(0, 0)]
        self._committed_size = self._size
        self.last_number = 0
        self.broken: OSError | None = None
        self._group = _Group()
        self._work = asyncio.Event()
        self._writer: asyncio.Task[None] | None = None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="journal")

    def replay(self) -> Iterator[Record]:
        """Read every line, oldest first; must be read to its end before the first `append`."""
        offset = 0
        with self.path.open("rb") as file:
            for line in file:
                record: Record = orjson.loads(line)
                self._number(record["n"], offset)
                offset += len(line)
                yield record

    def append(self, record: Record) -> int:
        """Add one line to the open group and return its number."""
        if self.broken is not None:
            raise JournalBroken(str(self.broken))
        self._number(self.last_number + 1, self._size)
        line = orjson.dumps({"n": self.last_number, **record}, default=str, option=_OPTIONS)
        self._size += len(line)
        self._group.lines.append(line)
        self._work.set()
        return self.last_number

    def after_commit(self, action: Callable[[], None]) -> None:
        """Run `action` once everything appended so far is on disk."""
        self._group.after.append(action)
        self._work.set()

    async def durable(self) -> None:
        """Return when everything appended so far is on disk."""
        group = self._group
        self._work.set()
        await group.committed.wait()
        if self.broken is not None:
            raise JournalBroken(str(self.broken))

    def read(
        self, *, after: int = 0, limit: int = 1000, kinds: Collection[str] = ()
    ) -> list[Record]:
        """Read committed lines with a number above `after`, all kinds or only these."""
        return [orjson.loads(line) for line in self.lines(after=after, limit=limit, kinds=kinds)[0]]

    def lines(
        self, *, after: int = 0, limit: int = 1000, kinds: Collection[str] = ()
    ) -> tuple[list[bytes], int]:
        """Read lines as they stand, and the number up to which none of these kinds is left out.

        Lines of other kinds are passed over unparsed, and with the number not passed over again.
        """
        found: list[bytes] = []
        last, wanted = after, {kind.encode() for kind in kinds}
        start = self._index[bisect_right(self._index, (after, self._size)) - 1][1]
        with self.path.open("rb") as file:
            file.seek(start)
            left = self._committed_size - start
            while left > 0 and len(found) < limit:
                line = file.readline()
                left -= len(line)
                number, kind = _head_of(line)
                if number <= after:
                    continue
                last = number
                if not wanted or kind in wanted:
                    found.append(line[:-1])
        return found, last

    async def __aenter__(self) -> Self:
        """Start writing."""
        self._writer = asyncio.create_task(self._write_groups())
        return self

    async def __aexit__(self, *_: object) -> None:
        """Commit what was appended, then close."""
        if self.broken is None:
            await self.durable()
        if self._writer is not None:
            self._writer.cancel()
            await asyncio.gather(self._writer, return_exceptions=True)
        self._thread.shutdown()
        os.close(self._file)

    async def _write_groups(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await self._work.wait()
            self._work.clear()
            group, self._group = self._group, _Group()
            size = self._size
            try:
                if group.lines:
                    await loop.run_in_executor(self._thread, self._sync, b"".join(group.lines))
            except OSError as error:
                self.broken = error
                group.committed.set()
                self._group.committed.set()
                return
            self._committed_size = size
            for action in group.after:
                action()
            group.committed.set()

    def _sync(self, block: bytes) -> None:
        view = memoryview(block)
        while view:
            view = view[os.write(self._file, view) :]
        os.fdatasync(self._file)

    def _number(self, number: int, offset: int) -> None:
        self.last_number = number
        if number % _INDEX_EVERY == 0:
            self._index.append((number - 1, offset))

    def _lock(self) -> None:
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(self._file)
            raise StateInUse(f"another simulator is using {self.path}: stop it first") from error


def _head_of(line: bytes) -> tuple[int, bytes]:
    """Read number and kind: every line begins with the two."""
    head = _HEAD.match(line)
    if head is not None:
        return int(head[1]), head[2]
    record = orjson.loads(line)
    return record["n"], record["kind"].encode()


def _cut_torn_line(file: int) -> int:
    """Drop what follows the last newline and return the size that is left."""
    size = os.fstat(file).st_size
    position, tail = size, b""
    while position > 0:
        step = min(65536, position)
        position -= step
        tail = os.pread(file, step, position)
        newline = tail.rfind(b"\n")
        if newline >= 0:
            position += newline + 1
            break
    if position != size:
        os.ftruncate(file, position)
    return position
