"""SQL that reads the copy reports: totals, latency by stage, slippage, orders page by page.

Percentiles are the database's (`percentile_cont`). Stamps come from three clocks: the master's
broker's, this service's (published) and the database's (everything else).
"""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal

import asyncpg

from libs.trading.follows import Follow
from libs.trading.signals import Signal
from services.signal.records import signal_from
from services.signal.report_records import CopiedOrder, Figures, Latency, Slippage, Totals

_WAIT_S = 2

# Which orders it is about is decided first; a later MODIFY sets the price that its master asks for,
# and an order filled before it is not judged by it. Who asks for no price is judged by what their
# own order got.
_PRICED = """
with orders as materialized (select o.* from signal.report_orders o where {scope}),
asked as (
    select a.signal_id, m.limit_price,
        case when m.signal_id = a.signal_id then '-infinity' else m.accepted_at end as since,
        lead(m.accepted_at, 1, 'infinity') over (partition by a.signal_id order by m.seq) as until
    from (select distinct signal_id from orders) a
    join signal.report_signals m on m.signal_id = a.signal_id
        or (m.parent_signal_id = a.signal_id and m.order_type is not null)
),
priced as (
    select o.*, s.seq, s.broker_event_at, s.published_at, master.price as master_price,
        (o.average_price - master.price) / master.price * 10000
            * case o.side when 'BUY' then 1 else -1 end as bp
    from orders o
    cross join lateral (select coalesce(o.filled_at, 'infinity') as at) as judged
    left join signal.report_signals s on s.signal_id = o.signal_id
    left join signal.report_fills f on f.signal_id = o.signal_id
    left join asked a on a.signal_id = o.signal_id and judged.at >= a.since
        and (judged.at < a.until or a.until = 'infinity')
    cross join lateral (
        select nullif(coalesce(a.limit_price, f.average_price), 0) as price
    ) as master
)
"""
_OF_SIGNAL = "o.signal_id = $1"
_OF_FOLLOW = "o.follow_id = $1 and o.planned_at > clock_timestamp() - make_interval(days => $2)"

_COUNTS = """
    count(distinct follow_id) as followers,
    count(*) as planned,
    count(sent_at) as sent,
    count(acknowledged_at) as acknowledged,
    coalesce(sum(filled_quantity), 0)::bigint as copied_quantity,
    count(*) filter (where state = 'FILLED') as filled,
    count(*) filter (where state = 'REJECTED') as rejected,
    count(*) filter (where state = 'CANCELLED') as cancelled,
    count(*) filter (where state = 'LAPSED') as lapsed,
    count(*) filter (where state = 'NOT_PLACED') as not_placed,
    count(*) filter (where state = 'NEEDS_ATTENTION') as attention,
    count(*) filter (where state in ('ACKED', 'OPEN', 'PARTIAL')) as working,
    count(*) filter (where state in ('PLANNED', 'HELD', 'AWAITING_USER')) as waiting,
    count(*) filter (where state in ('SENDING', 'UNKNOWN')) as in_doubt,
    count(*) filter (where state = 'SKIPPED') as skipped
"""
_TOTALS = f"select {_COUNTS} from signal.report_orders o where {{scope}}"  # noqa: S608  # constants
_REASONS = """
select coalesce(reason, '') as reason, count(*) as orders from signal.report_orders o
where {scope} and state = 'SKIPPED' group by 1 order by 2 desc, 1
"""
# In the order in which an order passes them; the last two are the whole way.
STAGES = {
    "master_to_accepted": ("s.broker_event_at", "o.accepted_at"),
    "accepted_to_published": ("o.accepted_at", "s.published_at"),
    "published_to_planned": ("s.published_at", "o.planned_at"),
    "planned_to_sent": ("o.planned_at", "o.sent_at"),
    "sent_to_acknowledged": ("o.sent_at", "o.acknowledged_at"),
    "acknowledged_to_filled": ("o.acknowledged_at", "o.filled_at"),
    "accepted_to_acknowledged": ("o.accepted_at", "o.acknowledged_at"),
    "accepted_to_filled": ("o.accepted_at", "o.filled_at"),
}
_SPANS = ", ".join(
    f"({place}, extract(epoch from {until} - {since})::float8 * 1000)"
    for place, (since, until) in enumerate(STAGES.values())
)
_PERCENTILES = "percentile_cont(array[0.5, 0.9, 0.99]) within group (order by {}) as percentiles"
_LATENCIES = f"""
select place, count(*) as orders, {_PERCENTILES.format("ms")}
from signal.report_orders o left join signal.report_signals s using (signal_id)
cross join lateral (values {_SPANS}) as spans (place, ms)
where {{scope}} and ms is not null group by place order by place
"""  # noqa: S608  # constants
_SLIPPAGE = f"""
{_PRICED.format(scope="{scope} and o.filled_quantity > 0")}
select count(*) as orders, round(sum(bp * filled_quantity) / sum(filled_quantity), 2) as mean,
    round(max(bp), 2) as worst, {_PERCENTILES.format("bp::float8")}
from priced where bp is not null
"""  # noqa: S608  # constants
_COLUMNS = """order_id, signal_id, seq, account_id, broker, environment, action, instrument, side,
    product, order_type, quantity, limit_price, trigger_price, state, reason, message,
    coalesce(figures, '{}') as figures,
    filled_quantity, average_price, master_price,
    round(bp, 2) as slippage_bp, broker_event_at, accepted_at, published_at, planned_at, sent_at,
    acknowledged_at, filled_at"""

_ROWS = f"select {_COLUMNS} from priced order by order_id"  # noqa: S608  # constants
_PAGE_OF_SIGNAL = (
    _PRICED.format(
        scope=f"{_OF_SIGNAL} and ($2::uuid is null or o.order_id > $2) order by o.order_id limit $3"
    )
    + _ROWS
)
_PAGE_OF_FOLLOW = (
    _PRICED.format(
        scope=f"{_OF_FOLLOW} and ($3::uuid is null or o.order_id < $3)"
        " order by o.order_id desc limit $4"
    )
    + _ROWS
    + " desc"
)
_OF_FOLLOW_AND_SIGNALS = (
    _PRICED.format(scope="o.follow_id = $1 and o.signal_id = any($2::uuid[])") + _ROWS
)
_COVERED = """
select payload from signal.signals
where master_id = $1 and strategy_id = $2 and seq > $3 and ($4::bigint is null or seq <= $4)
    and ($5::bigint is null or seq < $5)
order by seq desc limit $6
"""
# What one account opened by a strategy, through this follow or an earlier one.
_OPENED = """
select instrument, product, min(planned_at) as since from signal.report_orders
where follow_id in (
        select follow_id from signal.follows where account_id = $1 and strategy_id = $2
    )
    and action = 'PLACE' and instrument = any($3::text[])
    and (filled_quantity > 0 or state not in ('SKIPPED', 'REJECTED', 'NOT_PLACED', 'LAPSED'))
group by instrument, product
"""
_TOTALS_OF_SIGNALS = f"""
select signal_id, {_COUNTS} from signal.report_orders
where signal_id = any($1::uuid[]) group by signal_id
"""  # noqa: S608  # constants
_REASONS_OF_SIGNALS = """
select signal_id, coalesce(reason, '') as reason, count(*) as orders from signal.report_orders
where signal_id = any($1::uuid[]) and state = 'SKIPPED' group by 1, 2 order by 3 desc, 2
"""


class ReportQueries:
    """Reads on a pool of its own: a long report keeps no signal waiting."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    async def figures_of_signal(self, signal_id: str) -> Figures:
        return await self._figures(_OF_SIGNAL, signal_id)

    async def figures_of_follow(self, follow_id: str, *, days: int) -> Figures:
        return await self._figures(_OF_FOLLOW, follow_id, days)

    async def orders_of_signal(
        self, signal_id: str, *, after: str | None, limit: int
    ) -> list[CopiedOrder]:
        """Read in the order of their ids."""
        rows = await self._rows(_PAGE_OF_SIGNAL, signal_id, after, limit)
        return [CopiedOrder(**row) for row in rows]

    async def orders_of_follow(
        self, follow_id: str, *, days: int, before: str | None, limit: int
    ) -> list[CopiedOrder]:
        """Read newest first."""
        rows = await self._rows(_PAGE_OF_FOLLOW, follow_id, days, before, limit)
        return [CopiedOrder(**row) for row in rows]

    async def orders_of_follow_and_signals(
        self, follow_id: str, signal_ids: Sequence[str]
    ) -> list[CopiedOrder]:
        rows = await self._rows(_OF_FOLLOW_AND_SIGNALS, follow_id, signal_ids)
        return [CopiedOrder(**row) for row in rows]

    async def signal_of_strategy(self, strategy_id: str, signal_id: str) -> Signal | None:
        rows = await self._rows(
            "select payload from signal.signals where signal_id = $1 and strategy_id = $2",
            signal_id,
            strategy_id,
        )
        return signal_from(rows[0]["payload"]) if rows else None

    async def covered_signals(
        self, follow: Follow, *, before_seq: int | None, limit: int
    ) -> list[Signal]:
        """Read the signals a follow covers, newest first."""
        rows = await self._rows(
            _COVERED,
            follow.master_id,
            follow.strategy_id,
            follow.from_seq,
            follow.until_seq,
            before_seq,
            limit,
        )
        return [signal_from(row["payload"]) for row in rows]

    async def opened(
        self, follow: Follow, instruments: Sequence[str]
    ) -> dict[tuple[str, str], datetime]:
        """Tell since when a strategy may hold something here, by instrument and product."""
        rows = await self._rows(_OPENED, follow.account_id, follow.strategy_id, instruments)
        return {(row["instrument"], row["product"]): row["since"] for row in rows}

    async def totals_of_signals(self, signal_ids: Sequence[str]) -> dict[str, Totals]:
        """Count per signal; one without any order is left out."""
        async with (
            self._pool.acquire(timeout=_WAIT_S) as connection,
            connection.transaction(isolation="repeatable_read", readonly=True),
        ):
            counted = await connection.fetch(_TOTALS_OF_SIGNALS, signal_ids)
            skipped = await connection.fetch(_REASONS_OF_SIGNALS, signal_ids)
        reasons: dict[str, dict[str, int]] = {}
        for row in skipped:
            reasons.setdefault(row["signal_id"], {})[row["reason"]] = row["orders"]
        return {
            row["signal_id"]: _totals(row, reasons.get(row["signal_id"], {})) for row in counted
        }

    async def _figures(self, scope: str, *arguments: object) -> Figures:
        async with (
            self._pool.acquire(timeout=_WAIT_S) as connection,
            connection.transaction(isolation="repeatable_read", readonly=True),
        ):
            [totals] = await connection.fetch(_TOTALS.format(scope=scope), *arguments)
            reasons = await connection.fetch(_REASONS.format(scope=scope), *arguments)
            spans = await connection.fetch(_LATENCIES.format(scope=scope), *arguments)
            [slippage] = await connection.fetch(_SLIPPAGE.format(scope=scope), *arguments)
        return Figures(
            totals=_totals(totals, {row["reason"]: row["orders"] for row in reasons}),
            latencies=[_latency(row) for row in spans],
            slippage=_slippage(slippage),
        )

    async def _rows(self, query: str, *arguments: object) -> list[asyncpg.Record]:
        async with self._pool.acquire(timeout=_WAIT_S) as connection:
            rows: list[asyncpg.Record] = await connection.fetch(query, *arguments)
            return rows


def _totals(row: asyncpg.Record, reasons: dict[str, int]) -> Totals:
    counts = {name: row[name] for name in row.keys() if name != "signal_id"}  # noqa: SIM118  # A record's values are what it iterates over.
    return Totals(**counts, skipped_by_reason=reasons)


def _latency(row: asyncpg.Record) -> Latency:
    p50, p90, p99 = (round(ms, 3) for ms in row["percentiles"])
    stage = list(STAGES)[row["place"]]
    return Latency(stage=stage, orders=row["orders"], p50_ms=p50, p90_ms=p90, p99_ms=p99)


def _slippage(row: asyncpg.Record) -> Slippage:
    if not row["orders"]:
        return Slippage(orders=0)
    p50, p90, p99 = (round(Decimal(bp), 2) for bp in row["percentiles"])
    return Slippage(
        orders=row["orders"], mean=row["mean"], p50=p50, p90=p90, p99=p99, worst=row["worst"]
    )
