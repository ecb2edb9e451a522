"""Turns the wish to try an exit again into an order: planned like a signal for one follower.

So is what entries filled after the exit of everything that should have closed it.

By the replica that serves the account, because only it knows what the account holds and what the
instrument costs. A wish is decided once: as an order, or with the reason why there is none.
"""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace

import structlog

from libs.trading.follows import Follow
from libs.trading.market import Request, RequestKind
from libs.trading.reasons import SkipReason
from libs.trading.signals import Signal
from libs.trading.states import OrderState
from services.executor.attention import Refusal
from services.executor.copying import Prices, quotes_for
from services.executor.departure import Departure
from services.executor.exit_retry import anew, bounded, late_part, refusal
from services.executor.exit_retry_rows import Failed, RetryPage, RetryRows, Wish
from services.executor.fanout import Fanout
from services.executor.followers import Followers
from services.executor.lanes import Lanes
from services.executor.market import Skip
from services.executor.rows import Due, Holding, PlannedOrder
from services.executor.shapes import Quotes
from services.executor.shards import TROUBLE
from services.executor.standings import Standings

log = structlog.get_logger()

_CLOSED = "The market is closed and does not open again today. Try again when it is open."
_GONE = "The signal behind this exit is not kept any more. Close the position at your broker."
_MOVED = "The account has changed between paper and live since. Close the position at your broker."


@dataclass(slots=True, kw_only=True)
class ExitRetries:
    """`wake` makes the next turn come at once; it comes every `look_every_s` in any case."""

    rows: RetryRows
    holding: Callable[[], Holding]
    followers: Followers
    fanout: Fanout
    prices: Prices
    standings: Standings
    departure: Departure
    lanes: Lanes
    on_change: Sequence[Callable[[], None]]
    look_every_s: float
    _asked: asyncio.Event = field(default_factory=asyncio.Event)

    def wake(self) -> None:
        self._asked.set()

    async def turn(self) -> None:
        """Wait until somebody may have asked, and decide what was asked."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._asked.wait(), self.look_every_s)
        self._asked.clear()
        await self.plan_asked()

    async def plan_asked(self) -> None:
        """Decide every wish about an account that is served here."""
        shards = list(self.holding().epochs)
        if not shards:
            return
        for wish in await self.rows.asked(shards):
            if self.followers.holds([wish.shard]):
                await self._try_to_decide(wish)

    async def _try_to_decide(self, wish: Wish) -> None:
        """Decide, or leave it to the next turn: one that waits for a lock keeps back no other."""
        try:
            await self._decide(wish)
        except TROUBLE as error:
            log.warning("exit_retry_waits", order_id=wish.order_id, error=str(error))

    async def _decide(self, wish: Wish) -> None:
        signal = await self.rows.signal(wish.signal_id)
        follow = await self.rows.follow(wish.follow_id)
        quotes: Quotes = {}
        if signal and follow:
            accounts = self.followers.accounts
            quotes = await quotes_for(signal, [follow], accounts, self.fanout, self.prices)
        async with self.rows.pool.acquire() as connection, connection.transaction():
            page = RetryPage(connection, wish)
            planned = await self._planned(page, signal, follow, quotes)
            if planned is None:
                return
            if isinstance(planned, Refusal):
                await page.refuse(planned.code, planned.message)
            elif not await page.write(planned, self.holding()):
                # Another replica serves the account now, and finds the wish.
                return
        log.info(
            "exit_retry_decided",
            order_id=wish.order_id,
            asked_by=wish.asked_by,
            refused=planned.code if isinstance(planned, Refusal) else None,
        )
        if not isinstance(planned, Refusal):
            self._launch(wish, planned)

    async def _planned(
        self, page: RetryPage, signal: Signal | None, follow: Follow | None, quotes: Quotes
    ) -> list[PlannedOrder] | Refusal | None:
        """Work the orders out. None when there are such orders already, or nothing was late."""
        wish = page.wish
        failed = await page.locked(self.departure.clock.now())
        if failed is None:
            await page.done()
            return None
        if wish.late is not None and wish.late <= 0:
            await page.forget()
            return None
        refused = refusal(failed.order) if wish.late is None else None
        if refused is not None:
            return refused
        if signal is None or follow is None:
            return Refusal(code="SIGNAL_GONE", message=_GONE)
        account = self.followers.accounts.get(failed.order.account_id)
        if account is not None and account.environment != failed.order.environment:
            return Refusal(code="ACCOUNT_CHANGED", message=_MOVED)
        return self._orders(failed, signal, follow, quotes, wish.late)

    def _orders(
        self, failed: Failed, signal: Signal, follow: Follow, quotes: Quotes, late: int | None
    ) -> list[PlannedOrder] | Refusal:
        order = failed.order
        elsewhere = self.standings.elsewhere(order.account_id, order.instrument)
        if late is None:
            mine = bounded(order, failed.mine, elsewhere)
        else:
            mine = late_part(failed.mine, late, order.product, elsewhere)
        orders = self.fanout.exits(
            anew(signal, order, self.departure.clock.now()),
            [follow],
            self.followers.accounts,
            {order.account_id: mine},
            quotes=quotes,
        )
        if orders[0].shape.state is not OrderState.SKIPPED and self._closed(orders[0]):
            orders = [_left_out(order, SkipReason.CLOSED, _CLOSED) for order in orders]
        shape = orders[0].shape
        is_told = late is None or shape.reason == SkipReason.CLOSED_ELSEWHERE
        if shape.state is OrderState.SKIPPED and is_told:
            return Refusal(code=shape.reason or "", message=shape.message)
        return orders

    def _closed(self, order: PlannedOrder) -> bool:
        leaving = order.leaving
        request = Request(
            kind=RequestKind.EXIT, order_type=leaving.order_type, validity=leaving.validity
        )
        answer = self.departure.market.ask(
            leaving.instrument,
            leaving.environment,
            request,
            now=self.departure.clock.now(),
            expires_at=leaving.expires_at,
        )
        return isinstance(answer, Skip)

    def _launch(self, wish: Wish, orders: Sequence[PlannedOrder]) -> None:
        """Let dispatch claim them like any other exit."""
        planned = [order for order in orders if order.shape.state is not OrderState.SKIPPED]
        self.standings.note(wish.strategy_id, planned)
        self.lanes.wake(
            Due(order_id=order.order_id, version=1, leaving=order.leaving) for order in planned
        )
        for tell in self.on_change:
            tell()


def _left_out(order: PlannedOrder, reason: SkipReason, why: str) -> PlannedOrder:
    shape = replace(order.shape, state=OrderState.SKIPPED, reason=reason, message=why)
    return order._replace(shape=shape)
