"""Reads books unasked: at the start of a day, after a takeover, and of orders long unheard of."""

import math
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from functools import partial

import asyncpg
import structlog

from libs.trading.accounts import AccountKind, SessionState
from libs.trading.calendar import trading_day
from services.executor.alarms import AlarmName, Alarms
from services.executor.baseline import Baseline
from services.executor.executions import ExecutionReads
from services.executor.followers import Followers
from services.executor.reads import AccountReads, Errands, Unreadable
from services.executor.rows import Holding
from services.executor.shards import TROUBLE
from services.executor.standings import Standings
from services.executor.syncing import Syncing

log = structlog.get_logger()

# Whatever the broker can still tell us something about.
_AT_WORK = """
WITH at_work AS (
    SELECT account_id, min(changed_at) AS since FROM executor.orders
    WHERE broker = $1 AND shard = ANY($2::int[]) AND state IN ('ACKED', 'OPEN', 'PARTIAL')
    GROUP BY account_id
    UNION ALL
    SELECT account_id, since FROM executor.watched_orders
    WHERE broker = $1 AND shard = ANY($2::int[]) AND ended_at IS NULL AND appeared_at IS NULL
)
"""
_UNHEARD = f"""{_AT_WORK}
SELECT DISTINCT at_work.account_id FROM at_work LEFT JOIN executor.account_days d
    ON d.account_id = at_work.account_id AND d.day = $3
WHERE since < clock_timestamp() - make_interval(secs => $4)
    AND (d.book_read_at IS NULL
        OR d.book_read_at < clock_timestamp() - make_interval(secs => $4))
"""
_UNRESOLVED = f"""{_AT_WORK}
SELECT account_id FROM at_work WHERE since < clock_timestamp() - make_interval(secs => $3)
UNION
SELECT account_id FROM executor.orders
WHERE broker = $1 AND shard = ANY($2::int[]) AND state IN ('UNKNOWN', 'NEEDS_ATTENTION')
    AND changed_at < clock_timestamp() - make_interval(secs => $3)
"""

# A shard just taken is looked through so much later, for what was there before it was taken.
_TAKEOVER_AFTER_S = 1.0
# The day's first readings are spread out: they must not crowd out the first signals.
_FIRST_READS_AT_ONCE = 5


@dataclass(slots=True, kw_only=True)
class Rereading:
    """`check_s` is how long a working order may go unheard of before its book is read."""

    pool: asyncpg.Pool
    broker: str
    holding: Callable[[], Holding]
    followers: Followers
    baseline: Baseline
    reads: AccountReads
    syncing: Syncing
    executions: ExecutionReads
    standings: Standings
    errands: Errands
    alarms: Alarms
    check_s: float
    _epochs: dict[int, int] = field(default_factory=dict)
    _taken_at: dict[int, float] = field(default_factory=dict)
    _begun: set[tuple[date, str]] = field(default_factory=set)
    _turn: int = 0
    _asked_at: float = -math.inf

    def knows(self, epochs: dict[int, int]) -> bool:
        """Tell whether the shards held under these epochs were noticed as taken."""
        return self._epochs == epochs

    async def reread(self) -> None:
        """Start what is due, the most urgent first."""
        epochs = self.holding().epochs
        if not epochs:
            return
        self._start("takeover", await self._left_behind(epochs), self.read_book)
        day = trading_day(datetime.now(UTC))
        self._start("unheard", await self._unheard(list(epochs), day), self.read_book)
        self._start("first", await self._not_begun(day), partial(self.begin_day, day))

    async def _unheard(self, shards: list[int], day: date) -> list[str]:
        """List accounts of which nothing was heard for too long; asked ten times in that time."""
        now = time.monotonic()
        if now - self._asked_at < self.check_s / 10:
            return []
        self._asked_at = now
        rows = await self.pool.fetch(_UNHEARD, self.broker, shards, day, self.check_s)
        return [row["account_id"] for row in rows]

    async def _left_behind(self, epochs: dict[int, int]) -> list[str]:
        """List accounts whose orders another replica, or an earlier life of this one, left open."""
        now = time.monotonic()
        taken = {shard for shard, epoch in epochs.items() if self._epochs.get(shard) != epoch}
        self._epochs = dict(epochs)
        self._taken_at = {s: at for s, at in self._taken_at.items() if s in epochs}
        self._taken_at |= dict.fromkeys(taken, now)
        ripe = [s for s, at in self._taken_at.items() if now - at >= _TAKEOVER_AFTER_S]
        if not ripe:
            return []
        age_s = min(now - self._taken_at[shard] for shard in ripe)
        rows = await self.pool.fetch(_UNRESOLVED, self.broker, ripe, age_s)
        for shard in ripe:
            del self._taken_at[shard]
        return [row["account_id"] for row in rows]

    async def read_book(self, account_id: str) -> bool:
        """Read and take in one book; False when it could not be read."""
        rows = await self.reads.book(account_id)
        if isinstance(rows, Unreadable):
            log.info("book_not_read", account_id=account_id, problem=rows.message)
            return False
        await self.syncing.take_in(account_id, rows)
        return True

    async def begin_day(self, day: date, account_id: str) -> None:
        """Take the baseline of a day: which orders there are, and what was carried in."""
        await self.alarms.clear(AlarmName.ORDER_NOT_IN_LEDGER, f"account:{account_id}")
        if await self.read_book(account_id) and await self.executions.begin_day(account_id):
            self._begun.add((day, account_id))
            carried = await self.baseline.carried(account_id, day)
            self.standings.note_elsewhere(account_id, day, carried or {})

    async def _not_begun(self, day: date) -> list[str]:
        self._begun = {known for known in self._begun if known[0] == day}
        accounts = [
            account.account_id
            for account in self.followers.accounts.values()
            if account.kind is AccountKind.CLIENT
            and account.session_state is SessionState.CONNECTED
            and (day, account.account_id) not in self._begun
            and self.reads.sessions.get(account.account_id) is not None
        ]
        if not accounts:
            return []
        begun = await self.baseline.begun(accounts, day)
        self._begun |= {(day, account_id) for account_id in begun}
        missing = [id_ for id_ in accounts if id_ not in begun]
        # Who can not be read now must not keep the others from their turn.
        start = self._turn % len(missing) if missing else 0
        self._turn += _FIRST_READS_AT_ONCE
        return (missing[start:] + missing[:start])[:_FIRST_READS_AT_ONCE]

    def _start(
        self, why: str, account_ids: Sequence[str], read: Callable[[str], Awaitable[object]]
    ) -> None:
        for account_id in account_ids:
            self.errands.start(
                f"reread:{account_id}", partial(self._survive, why, account_id, read)
            )

    async def _survive(
        self, why: str, account_id: str, read: Callable[[str], Awaitable[object]]
    ) -> None:
        try:
            await read(account_id)
        except TROUBLE as error:
            log.warning("reread_waits", why=why, account_id=account_id, error=str(error))
