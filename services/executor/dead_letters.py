"""SQL of the dead letters: keep them, tell of them, pause whom they concern, send them again."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

import asyncpg

from libs.contracts import topics
from libs.contracts.codec import Undecodable
from libs.contracts.dead_letters import concern_of, dead_letter_message
from libs.contracts.notices import notice_message
from libs.runtime.alarms import Within
from libs.runtime.outbox import OutboxMessage, enqueue
from libs.trading.events import NoticeKind
from services.executor.alarms import AlarmName
from services.executor.kill_switches import NOBODY, SCHEMA, KillSwitches, Scope

if TYPE_CHECKING:
    from asyncpg.pool import PoolConnectionProxy

REPLAYED, SET_ASIDE = "REPLAYED", "SET_ASIDE"
# Follows and accounts are read from the ledger every second, in their newest state. Sent again,
# an old state would stand last in its compacted topic.
REPLAYABLE = frozenset({topics.SIGNALS, topics.BROKER_UPDATES})
_ERROR_CHARACTERS_MAX = 500

_KEEP = """
INSERT INTO executor.dead_letters
    (topic, partition, "offset", key, raw, headers, error, master_id)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT DO NOTHING RETURNING id
"""
_COLUMNS = """id, topic, partition, "offset", key, headers, error, at, octet_length(raw) AS bytes,
    master_id, outcome, closed_at, closed_by, closed_reason"""


@dataclass(frozen=True, slots=True, kw_only=True)
class BuriedLetter:
    """A dead letter as an operator sees it. `outcome` is None while it waits for one."""

    id: int
    topic: str
    partition: int
    offset: int
    key: bytes | None
    headers: dict[str, str]
    error: str
    at: datetime
    bytes: int
    master_id: str | None
    outcome: str | None
    closed_at: datetime | None
    closed_by: str | None
    closed_reason: str | None


@dataclass(frozen=True, slots=True)
class DeadLetters:
    """The dead letters as seen by one connection; every method belongs into a transaction."""

    connection: "asyncpg.Connection | PoolConnectionProxy"

    async def bury(self, letters: Iterable[Undecodable]) -> list[str]:
        """Keep each letter once, publish it, and raise its alarm; return the masters paused.

        A signal that is not surely a PLACE pauses its master: what was lost may have been a way
        out, and entries must not go on as if nothing were missing. Redelivered letters do nothing.
        """
        paused: list[str] = []
        for letter in letters:
            concern = concern_of(letter)
            master_id = concern.master_id if concern else None
            if not await self._keep(letter, master_id):
                continue
            await enqueue(self.connection, SCHEMA, [dead_letter_message(letter)])
            await self._alarms.open(
                AlarmName.DEAD_LETTER,
                f"topic:{letter.topic}",
                figures={**_place(letter), "master": master_id or "unknown"},
            )
            if concern and master_id and not concern.surely_place:
                await self._pause(master_id, letter)
                paused.append(master_id)
        return paused

    async def listed(self, *, before: int | None, limit: int) -> list[BuriedLetter]:
        rows = await self.connection.fetch(
            f"""SELECT {_COLUMNS} FROM executor.dead_letters
            WHERE $1::bigint IS NULL OR id < $1 ORDER BY id DESC LIMIT $2""",
            before,
            limit,
        )
        return [BuriedLetter(**row) for row in rows]

    async def one(self, letter_id: int) -> BuriedLetter | None:
        row = await self.connection.fetchrow(
            f"SELECT {_COLUMNS} FROM executor.dead_letters WHERE id = $1", letter_id
        )
        return BuriedLetter(**row) if row else None

    async def replay(self, letter_id: int, *, by: str, reason: str) -> bool:
        """Send an open letter to its topic again, as it came. False when it is closed already.

        Whoever hears it judges it as any record: an order that exists stays as it is, an entry
        that has expired is skipped, a cancel still acts.
        """
        row = await self._close(letter_id, REPLAYED, by, reason)
        if row is None:
            return False
        message = OutboxMessage(
            topic=row["topic"],
            # What was read but could not be planned has lost its key; a signal's is its master.
            key=(row["key"] or (row["master_id"] or "").encode()).decode("utf-8", "replace"),
            partitions=(row["partition"],),
            payload=row["raw"],
            headers=row["headers"],
        )
        await enqueue(self.connection, SCHEMA, [message])
        return True

    async def set_aside(self, letter_id: int, *, by: str, reason: str) -> bool:
        """Close a letter that is of no use. False when it is closed already."""
        return await self._close(letter_id, SET_ASIDE, by, reason) is not None

    @property
    def _alarms(self) -> Within:
        return Within(self.connection, SCHEMA, notice_message)

    async def _keep(self, letter: Undecodable, master_id: str | None) -> bool:
        kept = await self.connection.fetchval(
            _KEEP,
            letter.topic,
            letter.partition,
            letter.offset,
            letter.key,
            letter.raw,
            {_text(name): _text(value) for name, value in letter.headers.items()},
            _text(letter.error)[:_ERROR_CHARACTERS_MAX],
            master_id,
        )
        return kept is not None

    async def _pause(self, master_id: str, letter: Undecodable) -> None:
        place = _place(letter)
        where = f"{place['topic']}/{place['partition']}/{place['offset']}"
        reason = f"A signal could not be read ({where}): it may have been an exit or a cancel."
        switches = KillSwitches(self.connection)
        if await switches.turn_on(Scope.MASTER, master_id, reason=reason, by=NOBODY):
            told = notice_message(
                NoticeKind.NOTIFICATION,
                code=AlarmName.MASTER_PAUSED_BY_DEAD_LETTER,
                subject=f"master:{master_id}",
                user_id=master_id,
            )
            await enqueue(self.connection, SCHEMA, [told])
        # Raised even if a person had stopped this master before: lifting their switch ends both.
        await self._alarms.open(
            AlarmName.MASTER_PAUSED_BY_DEAD_LETTER, f"master:{master_id}", figures=place
        )

    async def _close(
        self, letter_id: int, outcome: str, by: str, reason: str
    ) -> asyncpg.Record | None:
        row = await self.connection.fetchrow(
            """UPDATE executor.dead_letters
            SET outcome = $2, closed_by = $3, closed_reason = $4, closed_at = clock_timestamp()
            WHERE id = $1 AND closed_at IS NULL
            RETURNING topic, partition, key, raw, headers, master_id""",
            letter_id,
            outcome,
            by,
            reason,
        )
        if row and not await self._waiting(row["topic"]):
            await self._alarms.clear(AlarmName.DEAD_LETTER, f"topic:{row['topic']}")
        return row

    async def _waiting(self, topic: str) -> bool:
        return bool(
            await self.connection.fetchval(
                """SELECT EXISTS (SELECT FROM executor.dead_letters
                WHERE topic = $1 AND closed_at IS NULL)""",
                topic,
            )
        )


def _place(letter: Undecodable) -> dict[str, str]:
    return {
        "topic": letter.topic,
        "partition": str(letter.partition),
        "offset": str(letter.offset),
        "error": _text(letter.error)[:_ERROR_CHARACTERS_MAX],
    }


def _text(text: str) -> str:
    """Take out what no text of Postgres holds."""
    return text.replace("\0", "\ufffd")
