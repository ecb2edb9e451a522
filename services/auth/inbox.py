"""Notices from the bus into the notifications table; what nobody can read into the dead letters."""

import asyncio
from collections.abc import Sequence
from typing import Protocol

import asyncpg
import structlog

from libs.contracts.codec import Record, Undecodable
from libs.contracts.dead_letters import dead_letter_message, unusable
from libs.runtime.outbox import OutboxMessage
from libs.runtime.postgres import UNREACHABLE
from libs.trading.events import Notice
from services.auth.notices import why_not_storable

log = structlog.get_logger()

_BACKOFF_FIRST_S = 0.2
_BACKOFF_MAX_S = 5.0


class Stores(Protocol):
    async def store(self, notices: Sequence[Notice], dead: Sequence[OutboxMessage]) -> None: ...


class Inbox:
    def __init__(self, notifications: Stores) -> None:
        self._notifications = notifications

    async def take(self, records: Sequence[Record | Undecodable]) -> None:
        """Return once the batch is durable; wait, without end, for a ledger that is away."""
        notices, dead = sort_out(records)
        failures = 0
        while True:
            try:
                return await self._notifications.store(notices, dead)
            except (asyncpg.PostgresError, *UNREACHABLE) as error:
                failures += 1
                log.warning("notices_wait", failures=failures, error=str(error))
                await asyncio.sleep(min(_BACKOFF_FIRST_S * 2 ** min(failures, 10), _BACKOFF_MAX_S))


def sort_out(
    records: Sequence[Record | Undecodable],
) -> tuple[list[Notice], list[OutboxMessage]]:
    notices: list[Notice] = []
    dead: list[OutboxMessage] = []
    for record in records:
        if isinstance(record, Undecodable):
            dead.append(dead_letter_message(record))
        elif isinstance(record.event, Notice):
            wrong = why_not_storable(record.event)
            if wrong is None:
                notices.append(record.event)
            else:
                dead.append(dead_letter_message(unusable(record, wrong)))
    return notices, dead
