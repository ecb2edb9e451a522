"""Keeps money and positions in memory for accounts whose rules, or their follows', ask for them.

Read apart from the order path, again and again; what could not be read for a while is unknown, and
a rule that needs it leaves entries out.
"""

import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import partial

import asyncpg
import structlog

from libs.trading.accounts import Account
from libs.trading.calendar import trading_day
from libs.trading.follows import Follow
from libs.trading.limits import NO_LIMITS, Limits, Rule
from libs.trading.orders import Funds, Holding, Position, Product
from libs.trading.sizing import SIZED_BY_MONEY
from services.executor.baseline import Baseline
from services.executor.day_rows import DayRows, first_id
from services.executor.followers import Followers
from services.executor.reads import AccountReads, Errands, Unreadable
from services.executor.shards import TROUBLE
from services.executor.standings import Key, Part, Seen, Standings

log = structlog.get_logger()

_RULES = frozenset({Rule.LOSS_PER_DAY, Rule.OPEN_POSITIONS})

# By strategy: what is held, what entries at work would add and exits take away, and the trades of
# the day in rupees.
_OF_STRATEGIES = """
WITH signed AS (
    SELECT *, CASE side WHEN 'BUY' THEN 1 ELSE -1 END AS sign, order_id >= $2 AS of_today
    FROM executor.orders
    WHERE account_id = $1 AND filled_quantity > 0
    UNION ALL
    SELECT *, CASE side WHEN 'BUY' THEN 1 ELSE -1 END, order_id >= $2
    FROM executor.orders
    WHERE account_id = $1 AND filled_quantity = 0
        AND state IN ('PLANNED', 'HELD', 'SENDING', 'UNKNOWN', 'ACKED', 'OPEN', 'PARTIAL')
)
SELECT strategy_id, instrument, product,
    sum(sign * filled_quantity)::bigint AS net,
    coalesce(sum(sign * (quantity - filled_quantity)) FILTER (WHERE action = 'PLACE' AND state IN
        ('PLANNED', 'HELD', 'SENDING', 'UNKNOWN', 'ACKED', 'OPEN', 'PARTIAL')), 0)::bigint
        AS at_work,
    coalesce(sum(sign * (quantity - filled_quantity)) FILTER (WHERE action = 'EXIT' AND state IN
        ('PLANNED', 'HELD', 'SENDING', 'UNKNOWN', 'ACKED', 'OPEN', 'PARTIAL')), 0)::bigint
        AS leaving,
    coalesce(sum(sign * filled_quantity) FILTER (WHERE of_today), 0)::bigint AS net_today,
    coalesce(sum(-sign * filled_quantity * average_price) FILTER (WHERE of_today), 0) AS cash_today
FROM signed GROUP BY strategy_id, instrument, product
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Balances:
    """`every_s` is how old figures get before they are read anew."""

    pool: asyncpg.Pool
    rows: DayRows
    baseline: Baseline
    followers: Followers
    standings: Standings
    reads: AccountReads
    errands: Errands
    every_s: float

    async def keep(self) -> None:
        """Load accounts that connected meanwhile; start to read what is wanted and not fresh."""
        accounts = self.followers.accounts.values()
        new = [it for it in accounts if not self.standings.knows(it.account_id)]
        await load_standings(self.standings, self.rows, self.baseline, new)
        limits = self.followers.limits
        wanted = {
            follow.account_id
            for follow in self.followers.all()
            if _asks(follow, limits.get(follow.account_id, NO_LIMITS))
        }
        for account_id in wanted:
            if self.standings.age_s(account_id) >= self.every_s:
                self.errands.start(f"balances:{account_id}", partial(self._read, account_id))

    async def _read(self, account_id: str) -> None:
        try:
            await self.read(account_id)
        except TROUBLE as error:
            log.warning("balances_wait", account_id=account_id, error=str(error))

    async def read(self, account_id: str) -> bool:
        """Read once; False when the broker gave no whole answer."""
        funds = await self.reads.funds(account_id)
        if isinstance(funds, Unreadable):
            return False
        holdings = await self.reads.holdings(account_id)
        if isinstance(holdings, Unreadable):
            return False
        positions = await self.reads.positions(account_id)
        if isinstance(positions, Unreadable):
            return False
        at, day = time.monotonic(), trading_day(self.standings.now())
        rows = await self.pool.fetch(_OF_STRATEGIES, account_id, first_id(day))
        self.standings.take(account_id, _seen(at, funds, holdings, positions, rows))
        return True


async def load_standings(
    standings: Standings, rows: DayRows, baseline: Baseline, accounts: Sequence[Account]
) -> None:
    """Read from the ledger how accounts begin: their orders of the day, and what they carry."""
    if not accounts:
        return
    day = trading_day(standings.now())
    account_ids = [account.account_id for account in accounts]
    ordered = await rows.ordered(accounts, day)
    carried = await baseline.all_carried(account_ids, day)
    standings.load(account_ids, ordered, day)
    for account_id, held in carried.items():
        standings.note_elsewhere(account_id, day, held)


def _asks(follow: Follow, whole: Limits) -> bool:
    return follow.until_seq is None and (
        follow.sizing.mode in SIZED_BY_MONEY
        or not _RULES.isdisjoint(follow.limits.rules)
        or not _RULES.isdisjoint(whole.rules)
    )


def _seen(
    at: float,
    funds: Funds,
    holdings: Sequence[Holding],
    positions: Sequence[Position],
    rows: Sequence[asyncpg.Record],
) -> Seen:
    held: defaultdict[Key, int] = defaultdict(int)
    leaving: defaultdict[Key, int] = defaultdict(int)
    for holding in holdings:
        held[holding.instrument, Product.DELIVERY] += holding.quantity
    for position in positions:
        held[position.instrument, position.product] += position.net_quantity
    for row in rows:
        key = row["instrument"], Product(row["product"])
        held[key] += row["at_work"]
        leaving[key] += row["leaving"]
    worth = sum((item.quantity * item.last_price for item in holdings), Decimal(0))
    gained = sum((item.realised + item.unrealised for item in positions), Decimal(0))
    prices = {item.instrument: item.last_price for item in positions}
    return Seen(
        at=at,
        funds=funds.available,
        equity=funds.total + worth,
        whole=Part(positions=dict(held), loss=-gained),
        parts=_parts(rows, prices),
        leaving=dict(leaving),
    )


def _parts(rows: Sequence[asyncpg.Record], prices: dict[str, Decimal]) -> dict[str, Part]:
    """Sum up what each strategy holds and lost today; a loss without a price is unknown."""
    positions: defaultdict[str, dict[Key, int]] = defaultdict(dict)
    losses: dict[str, Decimal | None] = {}
    for row in rows:
        strategy_id = row["strategy_id"]
        net = row["net"] + row["at_work"]
        positions[strategy_id][row["instrument"], Product(row["product"])] = net
        lost = _lost(row, prices.get(row["instrument"]))
        before = losses.get(strategy_id, Decimal(0))
        losses[strategy_id] = None if lost is None or before is None else before + lost
    return {
        strategy_id: Part(positions=held, loss=losses[strategy_id])
        for strategy_id, held in positions.items()
    }


def _lost(row: asyncpg.Record, price: Decimal | None) -> Decimal | None:
    if row["net_today"] == 0:
        return -Decimal(row["cash_today"])
    return None if price is None else -(row["cash_today"] + row["net_today"] * price)
