"""The names of what an executor alarms about; docs/reliability.md says what to do in each."""

from collections.abc import Sequence
from enum import StrEnum
from typing import Protocol

from libs.runtime.alarms import Opening


class AlarmName(StrEnum):
    """Each is a row of executor.alarms; its subject is a broker, account, master or order."""

    # Something this replica needs is away.
    KAFKA_AWAY = "KAFKA_AWAY"
    LEDGER_AWAY = "LEDGER_AWAY"
    BROKER_AWAY = "BROKER_AWAY"
    # What a broker answers is not what its documentation says.
    BROKER_ANSWER_UNREADABLE = "BROKER_ANSWER_UNREADABLE"
    # Orders whose outcome is not known, and what became of them.
    ORDERS_IN_DOUBT = "ORDERS_IN_DOUBT"
    ORDER_APPEARED_LATE = "ORDER_APPEARED_LATE"
    ORDER_CONTRADICTED = "ORDER_CONTRADICTED"
    NEEDS_ATTENTION = "NEEDS_ATTENTION"
    # An exit did not close what it should, and what it should have closed is still open.
    EXIT_FAILED = "EXIT_FAILED"
    # What an account holds at its broker is not what the ledger says.
    ORDER_NOT_IN_LEDGER = "ORDER_NOT_IN_LEDGER"
    POSITION_DRIFT = "POSITION_DRIFT"
    DAY_NOT_SEALED = "DAY_NOT_SEALED"
    # What stops one account or one master.
    SESSION_REFUSED = "SESSION_REFUSED"
    RATE_DAY_BLOCK_NEAR = "RATE_DAY_BLOCK_NEAR"
    MASTER_PAUSED_BY_DEAD_LETTER = "MASTER_PAUSED_BY_DEAD_LETTER"
    DEAD_LETTER = "DEAD_LETTER"
    # This replica itself.
    BACKLOG_SHED = "BACKLOG_SHED"
    CLOCK_SKEW = "CLOCK_SKEW"
    CALENDAR_ENDS = "CALENDAR_ENDS"
    SIGNALS_REFILLED = "SIGNALS_REFILLED"


class Alarms(Protocol):
    """`libs.runtime.alarms.Alarms`: False when nothing changed, None when it was not written."""

    async def open(
        self, name: str, subject: str, *, user_id: str | None = None, **figures: str
    ) -> bool | None: ...

    async def clear(self, name: str, subject: str) -> bool | None: ...


class ManyAlarms(Alarms, Protocol):
    """The same, for whoever has a thousand to change at once."""

    async def open_all(self, wanted: Sequence[Opening]) -> int | None: ...

    async def clear_all(self, alarms: Sequence[tuple[str, str]]) -> int | None: ...
