"""An alarm is a row, a log line, a metric and a notice: opened once, cleared once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

import asyncpg
import orjson
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

# `schema` is a constant of the calling service.
_OPEN_ALL = """
insert into {schema}.alarms (name, subject, user_id, figures, opened_at)
select name, subject, user_id, figures::jsonb, clock_timestamp()
from unnest($1::text[], $2::text[], $3::uuid[], $4::text[])
    as wanted (name, subject, user_id, figures)
on conflict (name, subject) where cleared_at is null do nothing
returning name, subject, user_id, figures
"""
_CLEAR_ALL = """
update {schema}.alarms a set cleared_at = clock_timestamp()
from unnest($1::text[], $2::text[]) as ended (name, subject)
where a.name = ended.name and a.subject = ended.subject and a.cleared_at is null
returning a.name, a.subject, a.user_id, a.figures
"""


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """An alarm to be raised. `told` goes out together with it, and only if it is new."""

    name: str
    subject: str
    user_id: str | None = None
    figures: Mapping[str, str] = field(default_factory=dict)
    told: Sequence[OutboxMessage] = ()


class Alarms:
    """The alarms of one service. A ledger that is away makes each method None, never raise."""

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

    async def open_all(self, wanted: Sequence[Opening]) -> int | None:
        """Raise many alarms in a few statements; those that stand already stay. Say how many."""
        return await self._change_all(_OPENED, wanted) if wanted else 0

    async def clear_all(self, alarms: Sequence[tuple[str, str]]) -> int | None:
        """End many alarms, each a name and a subject. Say how many that were."""
        ended = [Opening(name=name, subject=subject) for name, subject in alarms]
        return await self._change_all(_CLEARED, ended) if ended else 0

    async def _change_all(self, kind: str, alarms: Sequence[Opening]) -> int | None:
        try:
            async with self._pool.acquire() as connection, connection.transaction():
                within = Within(connection, self._schema, self._encode_notice)
                changed = await within.change_all(kind, alarms)
                standing = await connection.fetch(
                    f"select name, count(*) as n from {self._schema}.alarms where name = any($1::text[]) and cleared_at is null group by name",  # noqa: S608, E501  # The schema is a constant of the calling service.
                    list({alarm.name for alarm in alarms}),
                )
        except (asyncpg.PostgresError, *UNREACHABLE) as error:
            NOT_WRITTEN.labels(self._schema).inc(len(alarms))
            log.error(  # noqa: TRY400  # The reason matters, its stack does not.
                "alarm_not_written", kind=kind, count=len(alarms), error=str(error)
            )
            return None
        open_now = {row["name"]: row["n"] for row in standing}
        for name in {alarm.name for alarm in alarms}:
            OPEN.labels(self._schema, name).set(open_now.get(name, 0))
        for alarm in changed:
            self._spoken_of(kind, alarm.name, alarm.subject, alarm.figures)
        if changed and self._relay is not None:
            self._relay.wake()
        return len(changed)

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
            self._spoken_of(kind, name, subject, figures)
            if self._relay is not None:
                self._relay.wake()
        return changed

    def _spoken_of(self, kind: str, name: str, subject: str, figures: Mapping[str, str]) -> None:
        CHANGED.labels(self._schema, name, "opened" if kind == _OPENED else "cleared").inc()
        speak = log.warning if kind == _OPENED else log.info
        speak(kind.lower(), alarm=name, subject=subject, figures=dict(figures))

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

    async def change_all(self, kind: str, alarms: Sequence[Opening]) -> list[Opening]:
        """Open or clear many, with their notices; return those that this changed."""
        by_key = {(alarm.name, alarm.subject): alarm for alarm in alarms}
        statement, columns = (_OPEN_ALL, 4) if kind == _OPENED else (_CLEAR_ALL, 2)
        values = [
            [alarm.name for alarm in by_key.values()],
            [alarm.subject for alarm in by_key.values()],
            [alarm.user_id for alarm in by_key.values()],
            [orjson.dumps(dict(alarm.figures)).decode() for alarm in by_key.values()],
        ]
        rows = await self.connection.fetch(statement.format(schema=self.schema), *values[:columns])
        messages: list[OutboxMessage] = []
        for row in rows:
            messages.append(
                self.encode_notice(
                    kind,
                    code=row["name"],
                    subject=row["subject"],
                    user_id=row["user_id"],
                    figures=row["figures"],
                )
            )
            messages += by_key[row["name"], row["subject"]].told
        await enqueue(self.connection, self.schema, messages)
        return [by_key[row["name"], row["subject"]] for row in rows]

    async def _told(self, kind: str, name: str, subject: str, row: asyncpg.Record | None) -> bool:
        if row is None:
            return False
        notice = self.encode_notice(
            kind, code=name, subject=subject, user_id=row["user_id"], figures=row["figures"]
        )
        await enqueue(self.connection, self.schema, [notice])
        return True
