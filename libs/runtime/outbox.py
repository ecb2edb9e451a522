"""The one outbox relay: what a transaction wanted to say reaches the bus, at least once.

Every publishing service keeps a table `<schema>.outbox`; one row is one payload for each listed
partition. Published rows are deleted.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

import asyncpg
import orjson
import structlog
from prometheus_client import Counter, Gauge

from libs.runtime.crashpoints import Crashpoint, crashpoint
from libs.runtime.postgres import UNREACHABLE

if TYPE_CHECKING:
    from asyncpg.pool import PoolConnectionProxy

log = structlog.get_logger()

ROWS = Gauge("lockstep_outbox_rows", "Rows waiting for the bus.", ["schema"])
OLDEST_S = Gauge("lockstep_outbox_oldest_seconds", "Age of the oldest waiting row.", ["schema"])
PUBLISHED = Counter("lockstep_outbox_published", "Rows handed to the bus.", ["schema"])

_BACKOFF_FIRST_S = 0.1
_BACKOFF_MAX_S = 2.0
_SET_ASIDE_MAX = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class OutboxMessage:
    """One payload for each of `partitions` of a topic."""

    topic: str
    key: str
    partitions: tuple[int, ...]
    payload: bytes
    headers: Mapping[str, str] = field(default_factory=dict)


# A row that was committed just now: its id, and what it says.
Fresh = tuple[int, OutboxMessage]


class BusUnavailable(Exception):
    """The bus did not confirm in time. The messages may be there all the same: repeat later."""


class NotPublishable(Exception):
    """The bus answered, but never takes these messages (too large, no such partition)."""

    def __init__(self, reasons: Mapping[int, str]) -> None:
        super().__init__("; ".join(f"message {at}: {why}" for at, why in reasons.items()))
        self.reasons = dict(reasons)


class Publishes(Protocol):
    async def publish_many(self, messages: Sequence[OutboxMessage]) -> None:
        """Return when every message is confirmed.

        Raise `BusUnavailable` when that took too long. Raise `NotPublishable`, with positions,
        when the bus refuses some for good and confirmed all others.
        """


async def enqueue(
    connection: "asyncpg.Connection | PoolConnectionProxy",
    schema: str,
    messages: Sequence[OutboxMessage],
) -> list[int]:
    """Write messages in the caller's transaction; return their ids in the same order."""
    if not messages:
        return []
    rows = await connection.fetch(
        f"""
        insert into {schema}.outbox (topic, key, partitions, payload, headers)
        select topic, key, partitions::int[], payload, headers::jsonb
        from unnest($1::text[], $2::text[], $3::text[], $4::bytea[], $5::text[])
            with ordinality as m (topic, key, partitions, payload, headers, place)
        order by place
        returning id
        """,  # noqa: S608  # The schema is a constant of the calling service.
        [m.topic for m in messages],
        [m.key for m in messages],
        ["{" + ",".join(map(str, m.partitions)) + "}" for m in messages],
        [m.payload for m in messages],
        [orjson.dumps(dict(m.headers)).decode() for m in messages],
    )
    return [row["id"] for row in rows]


class OutboxRelay:
    """Publishes what committed transactions left in `<schema>.outbox`."""

    def __init__(
        self,
        pool: asyncpg.Pool,
        schema: str,
        publisher: Publishes,
        *,
        grace_s: float = 0.0,
        poll_s: float = 1.0,
        batch: int = 500,
    ) -> None:
        self._pool = pool
        self._schema = schema
        self._publisher = publisher
        self._grace_s = grace_s
        self._poll_s = poll_s
        self._batch = batch
        self._woken = asyncio.Event()
        self._set_aside: set[int] = set()

    def wake(self) -> None:
        """Something was committed: look now, not at the next poll."""
        self._woken.set()

    async def run(self) -> None:
        """Publish for ever; wait with backoff while the bus or Postgres is away."""
        failures = 0
        while True:
            try:
                more = await self._publish_next()
                await self._measure()
                failures = 0
            except (BusUnavailable, asyncpg.PostgresError, *UNREACHABLE) as error:
                failures += 1
                log.warning(
                    "outbox_waits", schema=self._schema, failures=failures, error=str(error)
                )
                await asyncio.sleep(min(_BACKOFF_FIRST_S * 2 ** min(failures, 10), _BACKOFF_MAX_S))
                continue
            if not more:
                await self._rest()

    async def publish_fresh(self, fresh: Sequence[Fresh]) -> bool:
        """Publish what was committed just now, by id, from memory. False when that failed.

        The rows are deleted afterwards and not locked meanwhile: `run` covers what fails here, and
        may say once more what takes longer than `grace_s`.
        """
        if not fresh:
            return True
        ids = [outbox_id for outbox_id, _ in fresh]
        try:
            await self._say(self._pool, ids, [message for _, message in fresh])
        except (BusUnavailable, asyncpg.PostgresError, *UNREACHABLE) as error:
            log.warning("outbox_publish_delayed", schema=self._schema, error=str(error))
            return False
        return True

    async def _publish_next(self) -> bool:
        async with self._pool.acquire() as connection, connection.transaction():
            rows = await connection.fetch(
                f"""
                select id, topic, key, partitions, payload, headers from {self._schema}.outbox
                where created_at <= clock_timestamp() - make_interval(secs => $1)
                    and id <> all($2::bigint[])
                order by id limit $3 for update skip locked
                """,  # noqa: S608  # The schema is a constant of the calling service.
                self._grace_s,
                list(self._set_aside),
                self._batch,
            )
            if rows:
                messages = [_message(row) for row in rows]
                await self._say(connection, [row["id"] for row in rows], messages)
        return len(rows) == self._batch

    async def _say(
        self,
        connection: "asyncpg.Pool | PoolConnectionProxy",
        ids: Sequence[int],
        messages: Sequence[OutboxMessage],
    ) -> None:
        """Publish messages and delete their rows, but for those that the bus never takes."""
        refused: set[int] = set()
        try:
            await self._publisher.publish_many(messages)
        except NotPublishable as error:
            refused = {ids[at] for at in error.reasons}
            self._put_aside(refused, str(error))
        crashpoint(Crashpoint.AFTER_PUBLISH)
        done = [outbox_id for outbox_id in ids if outbox_id not in refused]
        await connection.execute(
            f"delete from {self._schema}.outbox where id = any($1::bigint[])",  # noqa: S608  # as above
            done,
        )
        PUBLISHED.labels(self._schema).inc(len(done))

    def _put_aside(self, ids: set[int], why: str) -> None:
        # The row stays for a person; the rows behind it must not wait for it.
        log.error("outbox_row_refused", schema=self._schema, ids=sorted(ids), error=why)
        if len(self._set_aside) < _SET_ASIDE_MAX:
            self._set_aside |= ids

    async def _measure(self) -> None:
        row = await self._pool.fetchrow(
            f"""
            select count(*) as waiting,
                coalesce(extract(epoch from clock_timestamp() - min(created_at)), 0) as oldest_s
            from {self._schema}.outbox
            """  # noqa: S608  # The schema is a constant of the calling service.
        )
        assert row is not None  # noqa: S101  # An aggregate is always one row.
        ROWS.labels(self._schema).set(row["waiting"])
        OLDEST_S.labels(self._schema).set(float(row["oldest_s"]))

    async def _rest(self) -> None:
        try:
            async with asyncio.timeout(self._poll_s):
                await self._woken.wait()
        except TimeoutError:
            pass
        self._woken.clear()


def _message(row: asyncpg.Record) -> OutboxMessage:
    return OutboxMessage(
        topic=row["topic"],
        key=row["key"],
        partitions=tuple(row["partitions"]),
        payload=row["payload"],
        headers=row["headers"],
    )
