"""How much waits for the bus, and what is refused meanwhile: entries first, exits never."""

import asyncio
from collections.abc import Awaitable, Callable

import asyncpg
import structlog

from libs.runtime.postgres import UNREACHABLE
from libs.trading.signals import SignalAction
from services.signal.metrics import BACKLOG_ROWS

log = structlog.get_logger()

_LOOK_EVERY_S = 1.0
# A modification may still reach an order that is already at its broker.
_MODIFY_HEADROOM = 1.1


class Backlog:
    """The size of the outbox: counted every second, and counted on in between."""

    def __init__(self, count: Callable[[int], Awaitable[int]], rows_max: int) -> None:
        self.rows = 0
        self._count = count
        self._rows_max = rows_max

    def refuses(self, action: SignalAction) -> bool:
        if action.reduces_risk:
            return False
        headroom = _MODIFY_HEADROOM if action is SignalAction.MODIFY else 1
        return self.rows >= self._rows_max * headroom

    def grew(self, rows: int) -> None:
        self.rows += rows

    async def look(self) -> None:
        self.rows = await self._count(int(self._rows_max * _MODIFY_HEADROOM) + 1)
        BACKLOG_ROWS.set(self.rows)

    async def watch(self) -> None:
        """Look for ever. Without Postgres nothing is accepted anyway, so the last figure stands."""
        while True:
            try:
                await self.look()
            except (asyncpg.PostgresError, *UNREACHABLE) as error:
                log.warning("backlog_not_counted", error=str(error))
            await asyncio.sleep(_LOOK_EVERY_S)
