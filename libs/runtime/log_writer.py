"""Writes log lines from its own thread: a slow, full or closed stdout never stops the process."""

import atexit
import queue
import threading
from typing import BinaryIO

from prometheus_client import Counter

DROPPED = Counter("lockstep_log_lines_dropped", "Log lines that were lost.", ["reason"])

_WAITING_MAX = 10_000
_FLUSH_S = 2.0


class LineWriter:
    """`write` never blocks and never raises; what cannot be kept is counted."""

    def __init__(self, stream: BinaryIO, waiting_max: int = _WAITING_MAX) -> None:
        self._stream = stream
        self._waiting: queue.Queue[bytes | threading.Event] = queue.Queue(waiting_max)
        threading.Thread(target=self._run, name="log-writer", daemon=True).start()
        atexit.register(self.flush)

    def write(self, line: str) -> None:
        try:
            self._waiting.put_nowait(line.encode("utf-8", "backslashreplace") + b"\n")
        except queue.Full:
            DROPPED.labels("slow_reader").inc()

    def flush(self, timeout_s: float = _FLUSH_S) -> bool:
        """Wait, bounded, until what was written before is out."""
        passed = threading.Event()
        try:
            self._waiting.put(passed, timeout=timeout_s)
        except queue.Full:
            return False
        return passed.wait(timeout_s)

    def _run(self) -> None:
        while True:
            item = self._waiting.get()
            if isinstance(item, threading.Event):
                item.set()
            else:
                self._put_out(item)

    def _put_out(self, line: bytes) -> None:
        try:
            self._stream.write(line)
            self._stream.flush()
        except (OSError, ValueError):  # A full disk, a closed pipe, a closed file.
            DROPPED.labels("unwritable").inc()
