"""One shot: a signal (or a floor) goes off, the broker's tape says when its orders arrived."""

import asyncio
import itertools
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import httpx

from tests.bench.crowd import Group
from tests.bench.feed import Feed
from tests.bench.orders import INSTRUMENT, PRICE, QUANTITY
from tests.bench.worker import Worker

# An account may place ten orders a second: its next signal waits until none of them counts.
REST_S = 1.25
_ARRIVE_S = 30.0
# An order whose answer was lost is looked for that long.
_SETTLE_S = 150.0
_FILL_S = 60.0
_FILL_AT_ONCE = 4_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)

_STAGES = """
SELECT count(*) AS orders,
    count(*) FILTER (WHERE state IN ('PLANNED', 'HELD', 'SENDING', 'UNKNOWN')) AS unsettled,
    min(planned_at) - min(accepted_at) AS planned_first,
    max(planned_at) - min(accepted_at) AS planned_last,
    min(sent_at) - min(accepted_at) AS committed_first,
    max(sent_at) - min(accepted_at) AS committed_last
FROM executor.orders WHERE signal_id = $1
"""

# Decided, not lost: a busy machine can make an order too late to be sent.
_APART = """
SELECT concat_ws('/', state, reason) AS word, count(*) AS n FROM executor.orders
WHERE signal_id = ANY($1::uuid[]) AND state IN ('SKIPPED', 'NEEDS_ATTENTION', 'NOT_PLACED')
GROUP BY 1
"""
_UNFILLED = """
SELECT string_agg(format('%s of shard %s in %s', n, shard, state), ', ') FROM (
    SELECT count(*) AS n, shard, state FROM executor.orders
    WHERE client_order_id = ANY($1) AND state <> 'FILLED' GROUP BY shard, state) AS left_over
"""


class Broken(Exception):
    """Something that is no timing went wrong: the bench ends with it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shot:
    """Milliseconds since the signal was accepted, or since a floor began.

    `whole` says that every follower's order was sent: else it is no figure.
    """

    first_ms: float
    last_ms: float
    whole: bool = True
    stages_ms: dict[str, float] = field(default_factory=dict)


@dataclass(slots=True)
class Meter:
    """Sets off and reads the tape. What was decided not to be sent is counted apart."""

    broker: Worker
    pool: asyncpg.Pool
    signal: httpx.AsyncClient
    feed: Feed
    doubled: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    apart: Counter[str] = field(default_factory=Counter)
    _used_at: dict[str, float] = field(default_factory=dict)
    _keys: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1))

    async def emit(self, group: Group, *, rest_s: float = REST_S) -> dict[str, Any]:
        """POST a signal to a group, once its accounts have rested."""
        wait_s = self._used_at.get(group.strategy_id, 0) + rest_s - time.monotonic()
        if wait_s > 0:
            await asyncio.sleep(wait_s)
        self._used_at[group.strategy_id] = time.monotonic()
        answer = await self.signal.post(
            "/signals",
            json={
                "strategy_id": group.strategy_id,
                "action": "PLACE",
                "instrument": INSTRUMENT,
                "side": "BUY",
                "product": "INTRADAY",
                "terms": {"order_type": "LIMIT", "quantity": QUANTITY, "limit_price": str(PRICE)},
                "expires_in_s": 60,
            },
            headers={"Idempotency-Key": f"bench {time.time_ns()} {next(self._keys)}"},
        )
        if answer.status_code != httpx.codes.ACCEPTED:
            raise Broken(f"the signal was not accepted: {answer.status_code} {answer.text}")
        accepted: dict[str, Any] = answer.json()
        return accepted

    async def product(self, group: Group, broker_ms: int) -> Shot:
        """Measure one signal, then let its orders be filled."""
        shot, tape = await self.fire(group, broker_ms)
        await self.fill(tape)
        return shot

    async def fire(self, group: Group, broker_ms: int) -> tuple[Shot, list[list[Any]]]:
        """Measure from the signal's accepted_at to its orders at the broker; return the tape too.

        Every outcome stands in the ledger then.
        """
        offset_ns = await self.clock_offset_ns()
        await self.rest(group)
        await self.broker.ask("reset", delay_ms=broker_ms)
        accepted = await self.emit(group)
        answered_ns = time.monotonic_ns()
        arrived = await self.broker.ask("wait", n=group.n, timeout_s=_ARRIVE_S)
        accepted_ns = _nanoseconds(accepted["accepted_at"]) - offset_ns
        stages = await self._settled(accepted["signal_id"], group)
        tape = await self.broker.ask("tape")
        apart = await self.count_apart([accepted["signal_id"]])
        doubled, lost = judge(group, tape, accepted["signal_id"])
        self.doubled += doubled
        self.lost += lost[apart:]
        if not arrived:
            raise Broken(f"no order of signal {accepted['signal_id']} reached the broker")
        shot = Shot(
            first_ms=(tape[0][2] - accepted_ns) / 1e6,
            last_ms=(tape[-1][2] - accepted_ns) / 1e6,
            whole=len(tape) == group.n,
            stages_ms={"answered": (answered_ns - accepted_ns) / 1e6, **stages},
        )
        return shot, tape

    async def client(self, worker: Worker, op: str, n: int, broker_ms: int, **values: Any) -> Shot:
        """Measure a floor or a baseline: it says when it began, the broker when orders arrived."""
        await self.broker.ask("reset", delay_ms=broker_ms)
        times = await worker.ask(op, n=n, **values)
        arrived = await self.broker.ask("wait", n=n, timeout_s=_ARRIVE_S)
        if arrived != n:
            raise Broken(f"{op} sent {n} orders, {arrived} arrived")
        tape = await self.broker.ask("tape")
        began_ns = times["began_ns"]
        return Shot(
            first_ms=(tape[0][2] - began_ns) / 1e6,
            last_ms=(tape[-1][2] - began_ns) / 1e6,
            stages_ms={
                name.removesuffix("_ns"): (at_ns - began_ns) / 1e6
                for name, at_ns in times.items()
                if name != "began_ns"
            },
        )

    async def count_apart(self, signal_ids: list[str]) -> int:
        """Count the orders of these signals that were decided about without being sent."""
        rows = await self.pool.fetch(_APART, signal_ids)
        self.apart.update({row["word"]: row["n"] for row in rows})
        return sum(row["n"] for row in rows if row["word"].startswith("SKIPPED"))

    async def fill(self, tape: list[list[Any]]) -> None:
        """Let what arrived be filled, and wait until the ledger says so.

        In parts: what the feed has said must be read before the next measurement begins, also
        where the ledger knows it from elsewhere.
        """
        for start in range(0, len(tape), _FILL_AT_ONCE):
            part = tape[start : start + _FILL_AT_ONCE]
            await self.feed.fill(part)
            await self._filled([tag for tag, _, _, _ in part])

    async def _filled(self, tags: list[str]) -> None:
        deadline = time.monotonic() + _FILL_S
        while left := await self.pool.fetchval(_UNFILLED, tags):
            if time.monotonic() > deadline:
                raise Broken(f"of {len(tags)} filled orders the ledger still has {left}")
            await asyncio.sleep(0.05 + len(tags) / 50_000)

    async def rest(self, group: Group) -> None:
        wait_s = self._used_at.get(group.strategy_id, 0) + REST_S - time.monotonic()
        if wait_s > 0:
            await asyncio.sleep(wait_s)

    async def clock_offset_ns(self) -> int:
        """Tell how far the database's clock is ahead of CLOCK_MONOTONIC, by the quickest answer."""
        tries = []
        for _ in range(5):
            before_ns = time.monotonic_ns()
            at = await self.pool.fetchval("SELECT clock_timestamp()")
            after_ns = time.monotonic_ns()
            tries.append((after_ns - before_ns, _epoch_ns(at) - (before_ns + after_ns) // 2))
        return min(tries)[1]

    async def _settled(self, signal_id: str, group: Group) -> dict[str, float]:
        """Wait until the outcome of every order stands in the ledger, and read the stages."""
        deadline = time.monotonic() + _SETTLE_S
        while True:
            row = await self.pool.fetchrow(_STAGES, signal_id)
            if row is not None and row["orders"] == group.n and not row["unsettled"]:
                break
            if time.monotonic() > deadline:
                self.lost.append(f"signal {signal_id}: {dict(row or {})} of {group.n} orders")
                break
            await asyncio.sleep(0.05)
        names = ("planned_first", "planned_last", "committed_first", "committed_last")
        return {
            name: row[name] / timedelta(milliseconds=1)
            for name in names
            if row is not None and row[name] is not None
        }


def judge(
    group: Group, tape: Sequence[Sequence[Any]], signal_id: str
) -> tuple[list[str], list[str]]:
    """Count by account at the broker, exactly one order each; return doubled and lost."""
    seen = Counter(who for _, who, _, _ in tape)
    wanted = {account_id.replace("-", "") for account_id in group.account_ids}
    doubled = [f"signal {signal_id}, account {who}" for who, n in seen.items() if n > 1]
    doubled += [f"signal {signal_id}, stranger {who}" for who in seen.keys() - wanted]
    lost = [f"signal {signal_id}, account {who}" for who in wanted - seen.keys()]
    return doubled, lost


def _nanoseconds(instant: str) -> int:
    return _epoch_ns(datetime.fromisoformat(instant))


def _epoch_ns(instant: datetime) -> int:
    return (instant - _EPOCH) // _MICROSECOND * 1000
