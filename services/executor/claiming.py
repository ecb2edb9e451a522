"""SQL that moves due orders and commands to SENDING, and says why others may not go.

The claiming statement is where money leaves: lease, expiry, stops and doubts are tested in it, in
one snapshot. What it returns is durable before the first byte is written.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import asyncpg

from libs.trading.orders import OrderIntent, Product, Side, Validity
from libs.trading.reasons import HOLD_SENTENCES, SKIP_SENTENCES, HoldReason, SkipReason, sentence
from services.executor.rows import WRITE_WITHIN_S, Claim, Due, Holding, terms_of
from services.executor.statements import (
    ENTRY_STOP,
    EXPIRED_TEMPLATE,
    HISTORY_OF_MOVED,
    IN_DOUBT,
    KILLED,
    MASTER_CANCELLED,
    expired_figures,
    expired_words,
    lease_held,
)


def _claim_orders(condition: str) -> str:
    return f"""
WITH moved AS (
    UPDATE executor.orders o SET state = 'SENDING', reason = NULL, message = '',
        version = o.version + 1, attempts = o.attempts + 1, sent_at = clock_timestamp(),
        deadline = clock_timestamp() + make_interval(secs => $6),
        due_at = clock_timestamp() + make_interval(secs => $6), looks = 0,
        changed_at = clock_timestamp(), change_id = pg_current_xact_id()
    FROM unnest($1::uuid[], $2::int[]) AS due (order_id, version)
    WHERE o.order_id = due.order_id AND o.version = due.version
        AND o.state IN ('PLANNED', 'HELD') AND o.expires_at > clock_timestamp()
        AND {lease_held("$3", "$4", "$5")} AND NOT {MASTER_CANCELLED} AND {condition}
    RETURNING o.*
), history AS ({HISTORY_OF_MOVED})
SELECT order_id, version, user_id, client_order_id, account_id, instrument, side, product,
    validity, order_type, quantity, limit_price, trigger_price, algo_id, signal_id
FROM moved
"""


CLAIM_ENTRIES = _claim_orders(f"o.action = 'PLACE' AND ({ENTRY_STOP}) IS NULL AND NOT {IN_DOUBT}")
# Exits reduce risk: a kill switch, a pause or an unreadable view must never hold them up.
CLAIM_EXITS = _claim_orders("o.action = 'EXIT'")

_SKIP_STOPPED = f"""
WITH why AS (
    SELECT o.order_id, o.version, stop.reason, {expired_figures("stop.reason")} AS figures
    FROM executor.orders o
    JOIN unnest($1::uuid[], $2::int[]) AS due (order_id, version) USING (order_id, version)
    CROSS JOIN LATERAL (SELECT coalesce(
        CASE WHEN o.expires_at <= clock_timestamp() THEN 'EXPIRED' END,
        CASE WHEN {MASTER_CANCELLED} THEN 'MASTER_CANCELLED' END,
        CASE WHEN o.action = 'PLACE' THEN ({ENTRY_STOP}) END) AS reason) AS stop
    WHERE o.state IN ('PLANNED', 'HELD')
), moved AS (
    UPDATE executor.orders o SET state = 'SKIPPED', reason = why.reason,
        message = coalesce({expired_words("why.figures", "$4")}, $3::jsonb ->> why.reason, ''),
        figures = why.figures, version = o.version + 1,
        changed_at = clock_timestamp(), change_id = pg_current_xact_id()
    FROM why WHERE o.order_id = why.order_id AND o.version = why.version
        AND o.state IN ('PLANNED', 'HELD') AND why.reason IS NOT NULL
    RETURNING o.*
), history AS ({HISTORY_OF_MOVED})
SELECT count(*) FROM moved
"""

_SKIP = f"""
WITH moved AS (
    UPDATE executor.orders o SET state = 'SKIPPED', reason = $3, message = $4,
        figures = $5, version = o.version + 1,
        changed_at = clock_timestamp(), change_id = pg_current_xact_id()
    FROM unnest($1::uuid[], $2::int[]) AS due (order_id, version)
    WHERE o.order_id = due.order_id AND o.version = due.version
        AND o.state IN ('PLANNED', 'HELD')
    RETURNING o.*
), history AS ({HISTORY_OF_MOVED})
SELECT count(*) FROM moved
"""

_DROP_COMMANDS = """
UPDATE executor.commands c SET state = 'DROPPED', message = $3, changed_at = clock_timestamp()
FROM unnest($1::uuid[], $2::int[]) AS due (order_id, n)
WHERE c.order_id = due.order_id AND c.n = due.n AND c.state = 'DUE'
"""

_HOLD = f"""
WITH moved AS (
    UPDATE executor.orders o SET state = 'HELD', reason = $3, message = $4,
        due_at = due.at, version = o.version + 1,
        changed_at = clock_timestamp(), change_id = pg_current_xact_id()
    FROM unnest($1::uuid[], $2::int[], $5::timestamptz[]) AS due (order_id, version, at)
    WHERE o.order_id = due.order_id AND o.version = due.version
        AND (o.state = 'PLANNED' OR (o.state = 'HELD' AND o.reason IS DISTINCT FROM $3))
    RETURNING o.*
), history AS ({HISTORY_OF_MOVED}), postponed AS (
    UPDATE executor.orders o SET due_at = due.at
    FROM unnest($1::uuid[], $2::int[], $5::timestamptz[]) AS due (order_id, version, at)
    WHERE o.order_id = due.order_id AND o.version = due.version
        AND o.state = 'HELD' AND o.reason IS NOT DISTINCT FROM $3
)
SELECT count(*) FROM moved
"""

# A change waits for the broker's order id, and for any other change of its order; one of an entry
# waits for a kill switch too, until it has expired.
# One that was sent before and got no answer is compared with the order first: what waits in the
# lanes may be from before that.
_CLAIM_COMMANDS = f"""
WITH moved AS (
    UPDATE executor.commands c SET state = 'SENDING', attempts = c.attempts + 1,
        deadline = clock_timestamp() + make_interval(secs => $6), changed_at = clock_timestamp()
    FROM unnest($1::uuid[], $2::int[]) AS due (order_id, n), executor.orders o
    WHERE c.order_id = due.order_id AND c.n = due.n AND o.order_id = c.order_id
        AND c.state = 'DUE' AND c.expires_at > clock_timestamp()
        AND (c.kind = 'CANCEL' OR c.attempts = 0 OR c.compared_at > c.changed_at)
        AND (c.kind = 'CANCEL' OR o.action = 'EXIT' OR NOT ({KILLED}))
        AND o.state IN ('ACKED', 'OPEN', 'PARTIAL') AND o.broker_order_id IS NOT NULL
        AND NOT EXISTS (SELECT FROM executor.commands other
            WHERE other.order_id = c.order_id AND other.state = 'SENDING')
        AND {lease_held("$3", "$4", "$5")}
    RETURNING c.order_id, c.n, c.kind, o.version, o.user_id, o.client_order_id, o.account_id,
        o.instrument, o.side, o.product, o.validity, o.algo_id, o.broker_order_id, c.signal_id,
        coalesce(c.order_type, o.order_type) AS order_type,
        coalesce(c.quantity, o.quantity) AS quantity,
        CASE WHEN c.order_type IS NULL THEN o.limit_price ELSE c.limit_price END AS limit_price,
        CASE WHEN c.order_type IS NULL THEN o.trigger_price ELSE c.trigger_price END
            AS trigger_price
)
SELECT * FROM moved
"""


@dataclass(frozen=True, slots=True)
class Claims:
    """Moves what is due to SENDING; the only place that does."""

    pool: asyncpg.Pool
    answer_timeout_s: float

    async def orders(self, statement: str, due: Sequence[Due], holding: Holding) -> list[Claim]:
        """Claim new orders by `CLAIM_ENTRIES` or `CLAIM_EXITS`."""
        not_after = time.monotonic() + WRITE_WITHIN_S
        rows = await self.pool.fetch(
            statement,
            [item.order_id for item in due],
            [item.version for item in due],
            *self._lease(holding),
        )
        return [_claim(row, not_after) for row in rows]

    async def commands(self, due: Sequence[Due], holding: Holding) -> list[Claim]:
        not_after = time.monotonic() + WRITE_WITHIN_S
        rows = await self.pool.fetch(
            _CLAIM_COMMANDS,
            [item.order_id for item in due],
            [item.command for item in due],
            *self._lease(holding),
        )
        return [
            _claim(row, not_after, row["n"], row["kind"], row["broker_order_id"]) for row in rows
        ]

    async def skip_stopped(self, due: Sequence[Due]) -> None:
        """Skip what expired or was stopped; leave alone what merely cannot go now."""
        if due:
            await self.pool.execute(
                _SKIP_STOPPED,
                [item.order_id for item in due],
                [item.version for item in due],
                {reason.value: SKIP_SENTENCES[reason] for reason in SkipReason},
                EXPIRED_TEMPLATE,
            )

    async def skip(
        self, due: Sequence[Due], reason: SkipReason, figures: Mapping[str, str]
    ) -> None:
        """Skip what this process knows will never go."""
        if due:
            await self.pool.execute(
                _SKIP,
                [item.order_id for item in due],
                [item.version for item in due],
                reason,
                sentence(reason, figures),
                figures or None,
            )

    async def drop_commands(self, due: Sequence[Due], message: str) -> None:
        if due:
            await self.pool.execute(
                _DROP_COMMANDS,
                [item.order_id for item in due],
                [item.command for item in due],
                message,
            )

    async def hold(self, due: Sequence[tuple[Due, datetime]], reason: HoldReason) -> None:
        """Write down what each waits for, and until when it need not be looked at."""
        if due:
            await self.pool.execute(
                _HOLD,
                [item.order_id for item, _ in due],
                [item.version for item, _ in due],
                reason,
                HOLD_SENTENCES[reason],
                [until for _, until in due],
            )

    def _lease(self, holding: Holding) -> tuple[object, ...]:
        shards, epochs = list(holding.epochs), list(holding.epochs.values())
        return shards, epochs, holding.owner, self.answer_timeout_s


def _claim(
    row: asyncpg.Record,
    not_after: float,
    command: int = 0,
    kind: str = "PLACE",
    broker_order_id: str = "",
) -> Claim:
    return Claim(
        order_id=row["order_id"],
        version=row["version"],
        user_id=row["user_id"],
        signal_id=row["signal_id"],
        not_after=not_after,
        command=command,
        kind=kind,
        broker_order_id=broker_order_id,
        intent=OrderIntent(
            client_order_id=row["client_order_id"],
            account_id=row["account_id"],
            instrument=row["instrument"],
            side=Side(row["side"]),
            product=Product(row["product"]),
            validity=Validity(row["validity"]),
            algo_id=row["algo_id"],
            terms=terms_of(row),
        ),
    )
