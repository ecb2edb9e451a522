"""An alarm is a row, a log line, a metric and a notice: opened once, cleared once."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import asyncpg
import structlog
from prometheus_client import Counter, Gauge

from libs.runtime.outbox import OutboxMessage, OutboxRelay, enqueue
from libs.runtime.postgres import UNREACHABLE

if TYPE_CHECKING:
    from asyncpg.pool import PoolConnectionProxy

log = structlog.get_logger()

OPEN = Gauge("lockstep_alarms_open", "Alarms that stand.", ["schema", "name"])
CHANGED = Counter("lockstep_alarms", "Alarms opened and cleared.", ["schema", "name", "change"])
NOT_WRITTEN = Counter("lockstep_alarms_not_written", "Alarms the ledger did not take.", ["schema"])

_OPENED = "ALARM_OPENED"
_CLEARED = "ALARM_CLEARED"


class EncodeNotice(Protocol):
    """`libs.contracts.notices.notice_message`, handed in: this package knows no contracts."""

    def __call__(
        self,
        kind: str,
        *,
        code: str,
        subject: str,
        user_id: str | None = None,
        figures: Mapping[str, str] | None = None,
    ) -> OutboxMessage: ...


class Alarms:
    """The alarms of one service. A ledger that is away makes both methods None, never raise."""

    def __init__(
        self,
        pool: asyncpg.Pool,
        schema: str,
        relay: OutboxRelay | None,
        encode_notice: EncodeNotice,
    ) -> None:
        self._pool = pool
        self._schema = schema
        self._relay = relay
        self._encode_notice = encode_notice

    async def open(
        self, name: str, subject: str, *, user_id: str | None = None, **figures: str
    ) -> bool | None:
        """Raise an alarm unless it stands already. True when this call opened it."""
        return await self._change(_OPENED, name, subject, user_id, figures)

    async def clear(self, name: str, subject: str) -> bool | None:
        """End an alarm. True when this call cleared it."""
        return await self._change(_CLEARED, name, subject, None, {})

    async def _change(
        self, kind: str, name: str, subject: str, user_id: str | None, figures: Mapping[str, str]
    ) -> bool | None:
        try:
            changed, standing = await self._written(kind, name, subject, user_id, figures)
        except (asyncpg.PostgresError, *UNREACHABLE) as error:
            NOT_WRITTEN.labels(self._schema).inc()
            log.error(  # noqa: TRY400  # The reason matters, its stack does not.
                "alarm_not_written", kind=kind, alarm=name, subject=subject, error=str(error)
            )
            return None
        OPEN.labels(self._schema, name).set(standing)
        if changed:
            CHANGED.labels(self._schema, name, "opened" if kind == _OPENED else "cleared").inc()
            speak = log.warning if kind == _OPENED else log.info
            speak(kind.lower(), alarm=name, subject=subject, figures=dict(figures))
            if self._relay is not None:
                self._relay.wake()
        return changed

    async def _written(
        self, kind: str, name: str, subject: str, user_id: str | None, figures: Mapping[str, str]
    ) -> tuple[bool, int]:
        async with self._pool.acquire() as connection, connection.transaction():
            within = Within(connection, self._schema, self._encode_notice)
            if kind == _OPENED:
                changed = await within.open(name, subject, user_id=user_id, figures=figures)
            else:
                changed = await within.clear(name, subject)
            standing = await connection.fetchval(
                f"select count(*) from {self._schema}.alarms where name = $1 and cleared_at is null",  # noqa: S608, E501  # The schema is a constant of the calling service.
                name,
            )
        return changed, int(standing)


@dataclass(frozen=True, slots=True)
class Within:
    """Alarms as part of the caller's transaction: they stand or fall with what they are about."""

    connection: "asyncpg.Connection | PoolConnectionProxy"
    schema: str
    encode_notice: EncodeNotice

    async def open(
        self,
        name: str,
        subject: str,
        *,
        user_id: str | None = None,
        figures: Mapping[str, str] | None = None,
    ) -> bool:
        """Open an alarm, with its notice. False when it stands already."""
        row = await self.connection.fetchrow(
            f"""
            insert into {self.schema}.alarms (name, subject, user_id, figures, opened_at)
            values ($1, $2, $3, $4, clock_timestamp())
            on conflict (name, subject) where cleared_at is null do nothing
            returning user_id, figures
            """,  # noqa: S608  # The schema is a constant of the calling service.
            name,
            subject,
            user_id,
            dict(figures or {}),
        )
        return await self._told(_OPENED, name, subject, row)

    async def clear(self, name: str, subject: str) -> bool:
        """End an alarm, with its notice. False when none stands."""
        row = await self.connection.fetchrow(
            f"""
            update {self.schema}.alarms set cleared_at = clock_timestamp()
            where name = $1 and subject = $2 and cleared_at is null
            returning user_id, figures
            """,  # noqa: S608  # The schema is a constant of the calling service.
            name,
            subject,
        )
        return await self._told(_CLEARED, name, subject, row)

    async def _told(self, kind: str, name: str, subject: str, row: asyncpg.Record | None) -> bool:
        if row is None:
            return False
        notice = self.encode_notice(
            kind, code=name, subject=subject, user_id=row["user_id"], figures=row["figures"]
        )
        await enqueue(self.connection, self.schema, [notice])
        return True
