"""Whose turn it is: due orders and commands in memory, urgent ones first, and the sends at work.

Nothing here is truth. What is forgotten in a crash is swept up from the ledger's rows.
"""

import asyncio
from collections import deque
from collections.abc import Coroutine, Iterable
from dataclasses import dataclass, field

from libs.trading.market import RequestKind
from services.executor.rows import Due
from services.executor.shedding import Waiting

_Key = tuple[str, int]


@dataclass(slots=True)
class Lanes:
    """`in_flight_max` bounds the requests on the wire; `waiting_max` what is remembered here."""

    in_flight_max: int
    waiting_max: int = 50_000
    _urgent: deque[Due] = field(default_factory=deque)
    _others: deque[Due] = field(default_factory=deque)
    _known: set[_Key] = field(default_factory=set)
    _sends: set[asyncio.Task[None]] = field(default_factory=set)
    _woken: asyncio.Event = field(default_factory=asyncio.Event)
    _landed: asyncio.Event = field(default_factory=asyncio.Event)
    _closed: bool = False

    def wake(self, due: Iterable[Due]) -> None:
        """Remember what is due; what is known already or too much is left to the next sweep."""
        for item in due:
            key = (item.order_id, item.command)
            if key in self._known or len(self._known) >= self.waiting_max:
                continue
            self._known.add(key)
            (self._urgent if item.leaving.urgent else self._others).append(item)
        self._woken.set()

    def wake_later(self, item: Due, delay_s: float) -> None:
        asyncio.get_running_loop().call_later(delay_s, self.wake, [item])

    async def due(self, limit: int) -> list[Due]:
        """Wait until something is due and the wire has room, then hand out the next chunk.

        Nothing means that the lanes are closed.
        """
        while not self._closed:
            room = self.in_flight_max - len(self._sends)
            if room <= 0:
                self._landed.clear()
                await self._landed.wait()
                continue
            chunk = self._take(min(limit, room))
            if chunk:
                return chunk
            self._woken.clear()
            await self._woken.wait()
        return []

    def close(self) -> None:
        """Hand out nothing any more; what waits here is still in the ledger."""
        self._closed = True
        self._woken.set()
        self._landed.set()

    def start(self, send: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(send)
        self._sends.add(task)
        task.add_done_callback(self._finished)

    @property
    def has_room(self) -> bool:
        """Whether another request may go on the wire; a chunk that asks at once may overshoot."""
        return not self._closed and len(self._sends) < self.in_flight_max

    @property
    def waiting(self) -> Waiting:
        """Count what waits here, by what may be left out."""
        modifications = sum(i.leaving.kind is RequestKind.MODIFY for i in self._others)
        return Waiting(
            entries=len(self._others) - modifications,
            modifications=modifications,
            ways_out=len(self._urgent),
        )

    def take_newest(self, kind: RequestKind, count: int) -> list[Due]:
        """Take out the newest of one kind: the oldest are the next to be served."""
        taken: list[Due] = []
        kept: deque[Due] = deque()
        while self._others and len(taken) < count:
            item = self._others.pop()
            if item.leaving.kind is kind:
                self._known.discard((item.order_id, item.command))
                taken.append(item)
            else:
                kept.appendleft(item)
        self._others.extend(kept)
        return taken

    async def drain(self, timeout_s: float) -> None:
        """Let what is on the wire come back, for at most this long."""
        if self._sends:
            await asyncio.wait(set(self._sends), timeout=timeout_s)

    def _take(self, limit: int) -> list[Due]:
        chunk: list[Due] = []
        for queue in (self._urgent, self._others):
            while queue and len(chunk) < limit:
                item = queue.popleft()
                self._known.discard((item.order_id, item.command))
                chunk.append(item)
        return chunk

    def _finished(self, task: asyncio.Task[None]) -> None:
        self._sends.discard(task)
        self._landed.set()
        if not task.cancelled() and (error := task.exception()) is not None:
            # A send turns every answer into a word; what escapes is a bug and must be seen.
            asyncio.get_running_loop().call_exception_handler(
                {"message": "a send failed outside the error tree", "exception": error}
            )
