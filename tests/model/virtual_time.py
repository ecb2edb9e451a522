"""Time that moves only when nothing is left to do now: one clock, and one event loop per process.

A process can be paused (nothing of it runs, time goes on: a zombie in the making) and killed at any
await (nothing of it ever runs again, not even a `finally`). So the loops are not asyncio's own.
"""

import asyncio
import contextvars
import heapq
import inspect
import itertools
import sys
import time
from asyncio import _set_running_loop
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any

START = datetime(2026, 11, 23, 6, 30, tzinfo=UTC)  # 12:00 in India, a Monday.
# More turns than this without time moving is a loop that spins.
_TURNS_MAX = 20_000

_Call = tuple[Callable[..., object], tuple[Any, ...], contextvars.Context | None, asyncio.Handle]


class VirtualTime:
    """The clock of one world. `after` schedules what the world does by itself."""

    def __init__(self) -> None:
        self.monotonic = 1_000.0
        self.processes: list[ProcessLoop] = []
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = itertools.count()

    def wall(self) -> datetime:
        return START + timedelta(seconds=self.monotonic - 1_000.0)

    def after(self, delay_s: float, action: Callable[[], None]) -> None:
        heapq.heappush(self._events, (self.monotonic + delay_s, next(self._numbers), action))

    def process(self) -> "ProcessLoop":
        loop = ProcessLoop(self)
        self.processes.append(loop)
        return loop

    def run_for(self, seconds: float) -> None:
        end = self.monotonic + seconds
        while True:
            self._do_all_that_is_due()
            upcoming = self._next_at()
            if upcoming is None or upcoming > end:
                break
            self.monotonic = max(self.monotonic, upcoming)
        self.monotonic = end

    def _do_all_that_is_due(self) -> None:
        for _ in range(_TURNS_MAX):
            worked = False
            while self._events and self._events[0][0] <= self.monotonic:
                heapq.heappop(self._events)[2]()
                worked = True
            for process in self.processes:
                worked = process.turn() or worked
            if not worked:
                return
        raise AssertionError("something spins: time does not move any more")

    def _next_at(self) -> float | None:
        first = [self._events[0][0]] if self._events else []
        return min(
            first + [at for p in self.processes if (at := p.next_at()) is not None], default=None
        )


class ProcessLoop(asyncio.BaseEventLoop):
    """The event loop of one process, in virtual time. `complaints` is what escaped its tasks."""

    def __init__(self, clock: VirtualTime) -> None:
        super().__init__()
        self.clock = clock
        self.paused = self.dead = False
        self.complaints: list[dict[str, Any]] = []
        self._calls: deque[_Call] = deque()
        self._timers: list[tuple[float, int, _Call]] = []
        self._count = 0

    def time(self) -> float:
        return self.clock.monotonic

    def call_soon(  # type: ignore[override]  # asyncio's type variables say no more than this
        self, callback: Any, *args: Any, context: contextvars.Context | None = None
    ) -> asyncio.Handle:
        handle = asyncio.Handle(callback, args, self, context)
        if not self.dead:
            self._calls.append((callback, args, context, handle))
        return handle

    def call_soon_threadsafe(  # type: ignore[override]
        self, callback: Any, *args: Any, context: contextvars.Context | None = None
    ) -> asyncio.Handle:
        return self.call_soon(callback, *args, context=context)

    def call_at(  # type: ignore[override]
        self, when: float, callback: Any, *args: Any, context: contextvars.Context | None = None
    ) -> asyncio.TimerHandle:
        handle = asyncio.TimerHandle(when, callback, args, self, context)
        self._count += 1
        if not self.dead:
            heapq.heappush(self._timers, (when, self._count, (callback, args, context, handle)))
        return handle

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        if not self.dead:
            self.complaints.append(context)

    def __del__(self) -> None:
        """Have nothing to close and nothing to complain of: there is no selector behind it."""

    def kill(self) -> None:
        self.dead = True
        for task in asyncio.all_tasks(self):
            coroutine = task.get_coro()
            if (
                inspect.iscoroutine(coroutine)
                and inspect.getcoroutinestate(coroutine) == "CORO_CREATED"
            ):
                # It never began; Python would complain that nobody awaited it.
                coroutine.close()
        self._calls.clear()
        self._timers.clear()

    def next_at(self) -> float | None:
        """When something is to do here next; None while there is not or nothing may run."""
        if self.paused or self.dead:
            return None
        if self._calls:
            return self.clock.monotonic
        return self._timers[0][0] if self._timers else None

    def turn(self) -> bool:
        """Run what is ready once; False when nothing was."""
        if self.paused or self.dead:
            return False
        while self._timers and self._timers[0][0] <= self.clock.monotonic:
            self._calls.append(heapq.heappop(self._timers)[2])
        if not self._calls:
            return False
        _set_running_loop(self)
        try:
            for _ in range(len(self._calls)):
                if self._calls:
                    self._run_one(self._calls.popleft())
        finally:
            _set_running_loop(None)
        return True

    def _run_one(self, call: _Call) -> None:
        callback, args, context, handle = call
        if handle.cancelled():
            return
        if context is None:
            callback(*args)
        else:
            context.run(callback, *args)


_current: list[VirtualTime] = []


class VirtualTimeModule:
    """Stands where a module of the product says `time`."""

    def monotonic(self) -> float:
        return _current[-1].monotonic if _current else time.monotonic()

    def time(self) -> float:
        return _current[-1].wall().timestamp() if _current else time.time()


class VirtualDatetime(datetime):
    """Stands where a module of the product says `datetime`."""

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> datetime:  # type: ignore[override]
        return _current[-1].wall() if _current else datetime.now(tz)


def make_current(clock: VirtualTime) -> None:
    """Let the product's modules read this clock from now on."""
    _current[:] = [clock]


@contextmanager
def virtual_clocks() -> Iterator[None]:
    """Give every module of the executor the virtual clock, wherever it reads one directly."""
    stand_in = VirtualTimeModule()
    replaced: list[tuple[Any, str, Any]] = []
    for name, module in list(sys.modules.items()):
        if not name.startswith("services.executor."):
            continue
        for attribute, real, virtual in (
            ("time", time, stand_in),
            ("datetime", datetime, VirtualDatetime),
        ):
            if getattr(module, attribute, None) is real:
                replaced.append((module, attribute, real))
                setattr(module, attribute, virtual)
    try:
        yield
    finally:
        _current.clear()
        for module, attribute, real in replaced:
            setattr(module, attribute, real)
