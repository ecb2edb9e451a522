"""How much waits for the bus, and what is refused meanwhile: entries first, exits never."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Protocol

import asyncpg
import structlog

from libs.runtime.postgres import UNREACHABLE
from libs.trading.signals import SignalAction
from services.signal.metrics import BACKLOG_ROWS

log = structlog.get_logger()

ALARM = "SIGNAL_BACKLOG"
_SUBJECT = "outbox"
_LOOK_EVERY_S = 1.0


class Bell(Protocol):
    async def open(self, name: str, subject: str, **figures: str) -> bool | None: ...

    async def clear(self, name: str, subject: str) -> bool | None: ...


class Backlog:
    """The size of the outbox: counted every second, and counted on in between."""

    def __init__(self, count: Callable[[int], Awaitable[int]], rows_max: int, alarms: Bell) -> None:
        self.rows = 0
        self._count = count
        self._rows_max = rows_max
        # A modification may still reach an order that is already at its broker.
        self._modify_rows_max = rows_max + rows_max // 10
        self._alarms = alarms
        # An earlier process may have left one standing: the first look decides.
        self._alarmed: bool | None = None

    def refuses(self, action: SignalAction) -> bool:
        if action.reduces_risk:
            return False
        return self.rows >= (
            self._modify_rows_max if action is SignalAction.MODIFY else self._rows_max
        )

    def grew(self, rows: int) -> None:
        self.rows += rows

    async def look(self) -> None:
        """Count, and raise or end the alarm; between full and calm it stays as it is."""
        self.rows = await self._count(self._modify_rows_max)
        BACKLOG_ROWS.set(self.rows)
        if self.rows >= self._rows_max and self._alarmed is not True:
            self._alarmed = True
            await self._alarms.open(
                ALARM, _SUBJECT, rows=str(self.rows), rows_max=str(self._rows_max)
            )
        elif self.rows <= self._rows_max // 2 and self._alarmed is not False:
            self._alarmed = False
            await self._alarms.clear(ALARM, _SUBJECT)

    async def watch(self) -> None:
        """Look for ever. Without Postgres nothing is accepted anyway, so the last figure stands."""
        while True:
            try:
                await self.look()
            except (asyncpg.PostgresError, *UNREACHABLE) as error:
                log.warning("backlog_not_counted", error=str(error))
            await asyncio.sleep(_LOOK_EVERY_S)
