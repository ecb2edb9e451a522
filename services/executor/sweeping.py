"""SQL that finds what nobody is working on: lapsed, expired and due rows of owned shards.

Recovery reads these rows and nothing else; memory is never needed to go on after a crash.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import asyncpg

from libs.trading.reasons import SKIP_SENTENCES, SkipReason
from services.executor.recording import Connection
from services.executor.rows import Due, leaving_of
from services.executor.statements import (
    EXPIRED_TEMPLATE,
    HISTORY_OF_MOVED,
    expired_figures,
    expired_words,
)

_OURS = "broker = $1 AND shard = ANY($2::int[])"

_LAPSE = f"""
WITH moved AS (
    UPDATE executor.orders SET state = 'UNKNOWN', message = 'no answer came back',
        due_at = clock_timestamp(), version = version + 1, changed_at = clock_timestamp(),
        change_id = pg_current_xact_id()
    WHERE {_OURS} AND state = 'SENDING'
        AND deadline < clock_timestamp() - make_interval(secs => $3)
    RETURNING *
), history AS ({HISTORY_OF_MOVED})
SELECT count(*) FROM moved
"""

_WHY = "CASE WHEN state = 'HELD' AND reason = 'SESSION' THEN 'SESSION' ELSE 'EXPIRED' END"
_FIGURES = expired_figures(_WHY)
_EXPIRE = f"""
WITH moved AS (
    UPDATE executor.orders o SET state = 'SKIPPED', version = version + 1, reason = {_WHY},
        message = CASE {_WHY} WHEN 'SESSION' THEN $3
            ELSE coalesce({expired_words(_FIGURES, "$5")}, $4) END,
        figures = {_FIGURES},
        changed_at = clock_timestamp(), change_id = pg_current_xact_id()
    WHERE {_OURS} AND state IN ('PLANNED', 'HELD') AND expires_at <= clock_timestamp()
    RETURNING *
), history AS ({HISTORY_OF_MOVED})
SELECT count(*) FROM moved
"""

_DUE_ORDERS = f"""
SELECT order_id, version, account_id, environment, instrument, action AS kind, order_type, validity,
    expires_at
FROM executor.orders
WHERE {_OURS} AND state IN ('PLANNED', 'HELD') AND due_at <= clock_timestamp()
    AND (state = 'HELD' OR planned_at < clock_timestamp() - make_interval(secs => $3))
ORDER BY due_at LIMIT $4
"""

# A modification that may have been taken already is compared with its order first (settling.py).
_DUE_COMMANDS = f"""
SELECT c.order_id, c.n, c.kind, c.expires_at, o.account_id, o.environment, o.instrument,
    o.order_type, o.validity
FROM executor.commands c JOIN executor.orders o USING (order_id)
WHERE c.{_OURS.replace(" AND ", " AND c.")} AND c.state = 'DUE' AND c.due_at <= clock_timestamp()
    AND c.expires_at > clock_timestamp() AND o.state IN ('ACKED', 'OPEN', 'PARTIAL')
    AND o.broker_order_id IS NOT NULL
    AND (c.kind = 'CANCEL' OR c.attempts = 0 OR c.compared_at > c.changed_at)
ORDER BY c.due_at LIMIT $3
"""

# A change whose answer was lost is asked again: cancels at once, terms once they were compared.
_LAPSE_COMMANDS = f"""
UPDATE executor.commands SET state = 'DUE', changed_at = clock_timestamp(),
    message = 'no answer came back'
WHERE {_OURS} AND state = 'SENDING' AND deadline < clock_timestamp() - make_interval(secs => $3)
"""

_DROP_COMMANDS = f"""
UPDATE executor.commands SET state = 'DROPPED', message = 'too late', changed_at = clock_timestamp()
WHERE {_OURS} AND state = 'DUE' AND expires_at <= clock_timestamp()
"""

_LIMIT = 2_000


@dataclass(frozen=True, slots=True)
class Sweeper:
    """What is left over on the owned shards."""

    broker: str
    lost_answer_grace_s: float
    planned_grace_s: float = 1.0

    async def close_overdue(self, connection: Connection, shards: Sequence[int]) -> int:
        """Move what ran out of time: SENDING to UNKNOWN, unsent to SKIPPED. Return how many."""
        lapsed = await connection.fetchval(_LAPSE, self.broker, shards, self.lost_answer_grace_s)
        expired = await connection.fetchval(
            _EXPIRE,
            self.broker,
            shards,
            SKIP_SENTENCES[SkipReason.SESSION],
            SKIP_SENTENCES[SkipReason.EXPIRED],
            EXPIRED_TEMPLATE,
        )
        await connection.execute(_LAPSE_COMMANDS, self.broker, shards, self.lost_answer_grace_s)
        await connection.execute(_DROP_COMMANDS, self.broker, shards)
        return int(lapsed) + int(expired)

    async def due(self, connection: Connection, shards: Sequence[int]) -> list[Due]:
        orders = await connection.fetch(
            _DUE_ORDERS, self.broker, shards, self.planned_grace_s, _LIMIT
        )
        commands = await connection.fetch(_DUE_COMMANDS, self.broker, shards, _LIMIT)
        return [_due_order(row) for row in orders] + [_due_command(row) for row in commands]


def _due_order(row: asyncpg.Record) -> Due:
    return Due(
        order_id=row["order_id"],
        version=row["version"],
        leaving=leaving_of(row),
    )


def _due_command(row: asyncpg.Record) -> Due:
    return Due(
        order_id=row["order_id"],
        version=0,
        leaving=leaving_of(row),
        command=row["n"],
    )
