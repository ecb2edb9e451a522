"""Hands committed outbox rows to the bus at once, off the path of the reply and in their order.

From memory: reading them back would cost every signal a question to the database.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

import structlog

from libs.runtime.outbox import Fresh

log = structlog.get_logger()

_WAITING_MAX = 5_000
_BATCH_MAX = 500
_DRAIN_S = 2.0


class Publication:
    """One worker, so that records of one master leave in order and one connection is enough.

    It may forget rows, never invent them: what does not go out here is left to the relay.
    """

    def __init__(self, publish: Callable[[Sequence[Fresh]], Awaitable[bool]]) -> None:
        self._publish = publish
        self._waiting: list[Fresh] = []
        self._something = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()

    def start(self, fresh: Sequence[Fresh]) -> None:
        """Publish these rows as soon as the loop is free; return at once."""
        if len(self._waiting) + len(fresh) > _WAITING_MAX:
            return
        self._waiting.extend(fresh)
        self._idle.clear()
        self._something.set()

    async def drain(self) -> None:
        """Wait a moment, at a clean stop, for what is on its way."""
        try:
            async with asyncio.timeout(_DRAIN_S):
                await self._idle.wait()
        except TimeoutError:
            log.info("publication_left_to_relay", rows=len(self._waiting))

    async def run(self) -> None:
        while True:
            await self._something.wait()
            self._something.clear()
            while self._waiting:
                batch, self._waiting = self._waiting[:_BATCH_MAX], self._waiting[_BATCH_MAX:]
                if not await self._publish(batch):
                    log.info("publication_left_to_relay", rows=len(batch) + len(self._waiting))
                    self._waiting.clear()
            self._idle.set()
