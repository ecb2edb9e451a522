"""Hands committed outbox rows to the bus at once, off the path of the reply and in their order.

From memory: reading them back would cost every signal a question to the database.
"""

import asyncio
from collections import defaultdict, deque
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import structlog

from libs.runtime.outbox import Fresh

log = structlog.get_logger()

_WAITING_MAX = 5_000
_BATCH_MAX = 500
_DRAIN_S = 2.0


@dataclass(slots=True)
class _Place:
    fresh: Sequence[Fresh]
    is_committed: bool = False


class Publication:
    """One worker, so that records of one master leave in order and one connection is enough.

    It may forget rows, never invent them: what does not go out here is left to the relay.
    """

    def __init__(self, publish: Callable[[Sequence[Fresh]], Awaitable[bool]]) -> None:
        self._publish = publish
        self._waiting = 0
        self._lines: defaultdict[str, deque[_Place]] = defaultdict(deque)
        self._moved: list[str] = []
        self._something = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()

    @contextmanager
    def line(self, key: str) -> Iterator[Callable[[Sequence[Fresh]], None]]:
        """Give a way to queue rows of a master while their transaction is still open.

        Queued under its lock they leave in the order of the lock: whose commit is heard of first is
        no order. Leave the context once it is committed; an error leaves the rows to the relay.
        """
        places: list[_Place] = []

        def queue(fresh: Sequence[Fresh]) -> None:
            if fresh and self._waiting + len(fresh) <= _WAITING_MAX:
                self._waiting += len(fresh)
                places.append(_Place(fresh))
                self._lines[key].append(places[-1])

        is_committed = False
        try:
            yield queue
            is_committed = True
        finally:
            for place in places:
                if not is_committed:
                    self._waiting -= len(place.fresh)
                    place.fresh = ()
                place.is_committed = True
            if places:
                self._moved.append(key)
                self._idle.clear()
                self._something.set()

    async def drain(self) -> None:
        """Wait a moment, at a clean stop, for what is on its way."""
        try:
            async with asyncio.timeout(_DRAIN_S):
                await self._idle.wait()
        except TimeoutError:
            log.info("publication_left_to_relay", rows=self._waiting)

    async def run(self) -> None:
        while True:
            await self._something.wait()
            self._something.clear()
            while ready := self._ready():
                for start in range(0, len(ready), _BATCH_MAX):
                    batch = ready[start : start + _BATCH_MAX]
                    if not await self._publish(batch):
                        log.info("publication_left_to_relay", rows=len(ready) - start)
                        break
                self._waiting -= len(ready)
            self._idle.set()

    def _ready(self) -> list[Fresh]:
        """Take what is committed and has nobody of its master before it."""
        moved, self._moved = self._moved, []
        ready: list[Fresh] = []
        for key in moved:
            line = self._lines[key]
            while line and line[0].is_committed:
                ready += line.popleft().fresh
            if not line:
                del self._lines[key]
        return ready
