"""Planning alone: the CPU time in which one signal becomes a thousand rows, beside the rows alone.

Nothing is sent or written. The rows alone are what nobody can save: two names and a tuple each.
"""

import gc
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from decimal import Decimal

from uuid_utils import uuid7

from libs.brokers.registry import BROKERS, manifest
from libs.trading.accounts import Account
from libs.trading.calendar import trading_day
from libs.trading.follows import Follow, Sizing, SizingMode
from libs.trading.instruments import Instrument
from libs.trading.limits import NO_LIMITS, Limits
from libs.trading.signals import Signal
from libs.trading.tags import mint_client_order_id
from services.executor.fanout import Fanout
from services.executor.rows import PlannedOrder
from services.executor.standings import Part, Seen, Standings
from tests.bench.bench import LARGEST, Bench
from tests.factories import a_follow, a_signal, an_account

ALIKE, MIXED, ROWS = "planning_alike", "planning_mixed", "planning_rows_alone"
_ROUNDS = 41
_KEY = b"a key of the bench, and of nothing else"
_SIZES = (
    Sizing(mode=SizingMode.MULTIPLIER, value=Decimal("0.5")),
    Sizing(mode=SizingMode.FIXED_QUANTITY, value=Decimal(7)),
    Sizing(mode=SizingMode.FIXED_VALUE, value=Decimal(20_000)),
    Sizing(mode=SizingMode.FUNDS_SHARE, value=Decimal(5)),
    Sizing(mode=SizingMode.EQUITY_PROPORTIONAL, value=Decimal(1)),
)
_LIMITS = (
    NO_LIMITS,
    Limits(order_value_max=Decimal(1_000_000), order_quantity_max=10_000),
    Limits(orders_per_day_max=50, open_positions_max=10, loss_per_day_max=Decimal(50_000)),
    Limits(order_quantity_max=1),
)


class OneShare:
    """Lists what it is asked for, one to the lot."""

    def find(self, name: str) -> Instrument | None:
        return Instrument(name=name)

    def has_derivatives(self, underlying: str) -> bool | None:
        return False


async def planning(bench: Bench) -> None:
    """Plan one signal for a thousand followers: of the same rules, of twenty kinds, rows alone."""
    bench.begin("planning, no sending")
    accounts = [an_account(account_id=str(uuid7())) for _ in range(LARGEST)]
    signal = a_signal(master_equity=Decimal(1_000_000))
    fanout = _fanout(accounts)
    alike = [_follow(account, _SIZES[0], NO_LIMITS) for account in accounts]
    mixed = [
        _follow(account, _SIZES[n % len(_SIZES)], _LIMITS[n // len(_SIZES) % len(_LIMITS)])
        for n, account in enumerate(accounts)
    ]
    [first] = fanout.entries(signal, alike[:1], _by_id(accounts), at=datetime.now(UTC))
    for _ in range(_ROUNDS):
        bench.figures.add(ALIKE, _cpu_ms(lambda: _plan(fanout, signal, alike, accounts)))
        bench.figures.add(MIXED, _cpu_ms(lambda: _plan(fanout, signal, mixed, accounts)))
        bench.figures.add(ROWS, _cpu_ms(lambda: _rows(alike, first)))
    bench.end(f"{LARGEST} followers: {bench.figures.median(MIXED):.1f} ms of CPU")


def _fanout(accounts: Sequence[Account]) -> Fanout:
    now = datetime.now(UTC)
    standings = Standings(now=lambda: now, lasts_s=3600)
    standings.load([account.account_id for account in accounts], {}, trading_day(now))
    flat = Part(positions={}, loss=Decimal(0))
    for account in accounts:
        seen = Seen(
            at=time.monotonic(),
            funds=Decimal(500_000),
            equity=Decimal(700_000),
            whole=flat,
            parts={},
        )
        standings.take(account.account_id, seen)
    return Fanout(
        manifest=manifest(BROKERS[0]),
        instruments=OneShare(),
        partitions=4,
        standings=standings,
        mint_order_id=lambda: str(uuid7()),
        mint_tag=lambda: mint_client_order_id(_KEY),
    )


def _follow(account: Account, sizing: Sizing, limits: Limits) -> Follow:
    return a_follow(
        follow_id=str(uuid7()),
        user_id=account.user_id,
        account_id=account.account_id,
        sizing=sizing,
        limits=limits,
    )


def _by_id(accounts: Sequence[Account]) -> dict[str, Account]:
    return {account.account_id: account for account in accounts}


def _plan(
    fanout: Fanout, signal: Signal, follows: Sequence[Follow], accounts: Sequence[Account]
) -> int:
    return len(fanout.entries(signal, follows, _by_id(accounts), at=datetime.now(UTC)))


def _rows(follows: Sequence[Follow], of: PlannedOrder) -> int:
    rows = [
        PlannedOrder(
            str(uuid7()),
            mint_client_order_id(_KEY),
            follow.account_id,
            of.shard,
            follow.follow_id,
            follow.user_id,
            0,
            of.shape,
        )
        for follow in follows
    ]
    return len(rows)


def _cpu_ms(work: Callable[[], object]) -> float:
    gc.collect()
    began = time.thread_time_ns()
    work()
    return (time.thread_time_ns() - began) / 1e6
