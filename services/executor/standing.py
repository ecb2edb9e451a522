"""Alarms that stand as long as rows say so: opened and cleared by comparing, not by memory."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta

import asyncpg

from libs.contracts.notices import notice_message
from libs.runtime.alarms import Opening
from libs.trading.events import NoticeKind
from libs.trading.reasons import AttentionReason
from services.executor.alarms import AlarmName, ManyAlarms
from services.executor.exit_retry import figures_of, is_failed, still_open
from services.executor.exit_retry_rows import Failed, RetryRows
from services.executor.followers import Followers
from services.executor.rows import Holding
from services.executor.standings import Standings

# Opened and cleared per turn: a broker that loses every answer must not stop everything else.
_CHANGES_MAX = 200
# An exit that fails is seen in the next turn; now and then, and at first, whatever an earlier
# process may have left.
_LATELY = timedelta(minutes=1)
_BEFORE = timedelta(days=3)
_LOOK_BACK_EVERY = 60
# A thousand may stand for hours: whether they still should is not asked in every turn.
_ASK_ALL_EVERY = 5

_PARKED = """
SELECT order_id, account_id, state, reason, instrument, quantity, message FROM executor.orders
WHERE broker = $1 AND shard = ANY($2::int[]) AND state IN ('UNKNOWN', 'NEEDS_ATTENTION')
"""
_APPEARED = """
WITH seen AS (
    UPDATE executor.watched_orders w SET appeared_at = clock_timestamp()
    FROM executor.orders o
    WHERE o.order_id = w.order_id AND w.broker = $1 AND w.shard = ANY($2::int[])
        AND w.ended_at IS NULL AND w.appeared_at IS NULL AND o.state <> 'NOT_PLACED'
    RETURNING w.order_id
)
SELECT o.order_id, o.account_id, o.instrument, o.state, o.broker_order_id
FROM executor.watched_orders w JOIN executor.orders o USING (order_id)
WHERE w.broker = $1 AND w.shard = ANY($2::int[]) AND w.ended_at IS NULL
    AND o.state IN ('ACKED', 'OPEN', 'PARTIAL', 'NEEDS_ATTENTION')
UNION
SELECT o.order_id, o.account_id, o.instrument, o.state, o.broker_order_id
FROM seen JOIN executor.orders o USING (order_id)
"""
_OPEN_NOW = """
SELECT a.name, a.subject, o.order_id IS NOT NULL AS of_order FROM executor.alarms a
LEFT JOIN executor.orders o ON o.broker = $1 AND o.shard = ANY($2::int[])
    AND o.order_id = CASE WHEN a.subject LIKE 'order:%' THEN substr(a.subject, 7)::uuid END
WHERE a.cleared_at IS NULL AND a.name = ANY($3::text[])
"""

_ACCOUNT = "account:"
_ORDER = "order:"
_NAMES = (
    AlarmName.EXIT_FAILED,
    AlarmName.ORDERS_IN_DOUBT,
    AlarmName.NEEDS_ATTENTION,
    AlarmName.ORDER_CONTRADICTED,
    AlarmName.ORDER_APPEARED_LATE,
)

Key = tuple[str, str]
Wanted = dict[Key, Opening]


@dataclass(slots=True, kw_only=True)
class Standing:
    pool: asyncpg.Pool
    broker: str
    holding: Callable[[], Holding]
    followers: Followers
    standings: Standings
    exits: RetryRows
    alarms: ManyAlarms
    _turns: int = field(default=0)

    async def tell(self) -> None:
        """Open what should stand and does not, clear what stands and should not."""
        shards = list(self.holding().epochs)
        if not shards:
            return
        # Before what should stand: an alarm opened in between is left for the next turn.
        rows = await self.pool.fetch(_OPEN_NOW, self.broker, shards, list(_NAMES))
        standing = {
            (row["name"], row["subject"])
            for row in rows
            if row["of_order"] or row["subject"].removeprefix(_ACCOUNT) in self.followers.accounts
        }
        parked = await self.pool.fetch(_PARKED, self.broker, shards)
        appeared = await self.pool.fetch(_APPEARED, self.broker, shards)
        asks_all = self._turns % _ASK_ALL_EVERY == 0
        told = {key for key in standing if key[0] == AlarmName.EXIT_FAILED}
        failed = await self._failed_exits(shards, told if asks_all else set())
        exits = [_exit_failed(item, left) for item, left in failed]
        wanted = _by_key([*_doubts(parked), *_parked(parked), *_late(appeared), *exits])
        followers = {_ORDER + item.order.order_id: item.order.user_id for item, _ in failed}
        missing = [opening for key, opening in wanted.items() if key not in standing]
        await self.alarms.open_all([_with_word(it, followers) for it in missing[:_CHANGES_MAX]])
        gone = sorted(key for key in standing - wanted.keys() if asks_all or key not in told)
        await self.alarms.clear_all(gone[:_CHANGES_MAX])

    async def _failed_exits(
        self, shards: Sequence[int], told: set[Key]
    ) -> list[tuple[Failed, int]]:
        """Name the exits that failed and whose position is open still, and how much of it."""
        looks_back = self._turns % _LOOK_BACK_EVERY == 0
        self._turns += 1
        now = self.standings.now()
        failed = await self.exits.failed(
            shards,
            since=now - (_BEFORE if looks_back else _LATELY),
            also=[subject.removeprefix(_ORDER) for _, subject in told],
            now=now,
        )
        return [(item, left) for item in failed if (left := self._left(item))]

    def _left(self, failed: Failed) -> int:
        order = failed.order
        if not is_failed(order):
            return 0
        elsewhere = self.standings.elsewhere(order.account_id, order.instrument)
        return still_open(order, failed.mine, elsewhere)


def _by_key(openings: Iterable[Opening]) -> Wanted:
    return {(opening.name, opening.subject): opening for opening in openings}


def _exit_failed(failed: Failed, left: int) -> Opening:
    return Opening(
        name=AlarmName.EXIT_FAILED,
        subject=_ORDER + failed.order.order_id,
        figures=figures_of(failed.order, left),
    )


def _with_word(opening: Opening, followers: Mapping[str, str]) -> Opening:
    """Tell the follower, beside the operators, what was not closed, why, and what to do."""
    if opening.name != AlarmName.EXIT_FAILED:
        return opening
    word = notice_message(
        NoticeKind.NOTIFICATION,
        code=opening.name,
        subject=opening.subject,
        user_id=followers[opening.subject],
        figures=opening.figures,
    )
    return replace(opening, told=[word])


def _doubts(rows: Iterable[asyncpg.Record]) -> Iterable[Opening]:
    count = Counter(row["account_id"] for row in rows if row["state"] == "UNKNOWN")
    for account_id, n in count.items():
        yield Opening(
            name=AlarmName.ORDERS_IN_DOUBT,
            subject=f"{_ACCOUNT}{account_id}",
            figures={"orders": str(n)},
        )


def _parked(rows: Iterable[asyncpg.Record]) -> Iterable[Opening]:
    for row in rows:
        if row["state"] != "NEEDS_ATTENTION":
            continue
        subject = f"{_ORDER}{row['order_id']}"
        figures = {
            "account_id": row["account_id"],
            "instrument": row["instrument"],
            "quantity": str(row["quantity"]),
            "reason": row["reason"] or "",
            "message": row["message"],
        }
        yield Opening(name=AlarmName.NEEDS_ATTENTION, subject=subject, figures=figures)
        if row["reason"] == AttentionReason.CONTRADICTION:
            yield Opening(name=AlarmName.ORDER_CONTRADICTED, subject=subject, figures=figures)


def _late(rows: Iterable[asyncpg.Record]) -> Iterable[Opening]:
    for row in rows:
        yield Opening(
            name=AlarmName.ORDER_APPEARED_LATE,
            subject=f"{_ORDER}{row['order_id']}",
            figures={
                "account_id": row["account_id"],
                "instrument": row["instrument"],
                "state": row["state"],
                "broker_order_id": row["broker_order_id"] or "",
            },
        )
