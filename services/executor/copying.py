"""What one signal means for its followers: new orders, or changes of orders already placed."""

from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from libs.trading.accounts import Account, Environment
from libs.trading.follows import Follow
from libs.trading.orders import OrderTerms
from libs.trading.quotes import Quote
from libs.trading.reasons import Refusal, sentence
from libs.trading.signals import Signal, SignalAction
from libs.trading.states import SENDABLE, TERMINAL
from services.executor.births import Born, Ready
from services.executor.exits import Opened
from services.executor.fanout import Fanout
from services.executor.followers import Followers, ShardsLost
from services.executor.planning import PlacedOrder
from services.executor.rows import PlannedOrder
from services.executor.shapes import NO_QUOTES, Quotes


class Page(Protocol):
    """The open planning transaction of one signal; `born` holds what it made."""

    born: Born

    async def opened(self, shards: Sequence[int]) -> dict[str, Opened]: ...

    async def placed(self, shards: Sequence[int]) -> list[PlacedOrder]: ...

    async def entries_at_work(self, shards: Sequence[int]) -> list[PlacedOrder]: ...

    async def cancel_unsent(self, order_ids: Sequence[str], shards: Sequence[int]) -> None: ...

    async def change_unsent(self, changes: Sequence[tuple[PlacedOrder, OrderTerms]]) -> None: ...

    async def add_cancels(self, orders: Sequence[PlacedOrder]) -> None: ...

    async def add_changes(self, wanted: Sequence[tuple[PlacedOrder, OrderTerms]]) -> None: ...

    async def leave_out_changes(self, orders: Sequence[PlacedOrder], why: str) -> None: ...

    async def finish(self, orders: Sequence[PlannedOrder], shards: Sequence[int]) -> None: ...

    async def expect_late(self, entries: Sequence[PlacedOrder]) -> None: ...


class Book(Protocol):
    """The part of the ledger that planning writes."""

    def births(
        self,
        signal: Signal,
        orders: Sequence[PlannedOrder],
        shards: Sequence[int],
        ready: Ready,
    ) -> AsyncIterator[Born]: ...

    def page(self, signal: Signal, ready: Ready) -> AbstractAsyncContextManager[Page]: ...


class Prices(Protocol):
    """What instruments cost now: `services.executor.quotes.SharedQuotes`."""

    async def of(self, instrument: str, environment: Environment) -> Quote | None: ...

    async def aclose(self) -> None: ...


async def quotes_for(
    signal: Signal,
    follows: Sequence[Follow],
    accounts: Mapping[str, Account],
    fanout: Fanout,
    prices: Prices,
) -> Quotes:
    """Ask once what the instrument costs, where an order cannot be worked out without."""
    if not fanout.asks_price(signal, follows):
        return NO_QUOTES
    environments = {
        account.environment
        for follow in follows
        if (account := accounts.get(follow.account_id)) is not None
    }
    found = {of: await prices.of(signal.instrument, of) for of in environments}
    return {of: quote for of, quote in found.items() if quote is not None}


@dataclass(frozen=True, slots=True, kw_only=True)
class Copying:
    """One signal on its way to the followers of these shards.

    `ready` says whose order may leave at once, `now` tells the time by the database's clock.
    """

    book: Book
    signal: Signal
    shards: Sequence[int]
    followers: Followers
    fanout: Fanout
    prices: Prices
    ready: Ready
    now: Callable[[], datetime]

    async def write(self) -> AsyncIterator[Born]:
        """Write what the signal means for every follower, and yield what is durable."""
        signal, shards, accounts = self.signal, self.shards, self.followers.accounts
        follows = self._follows()
        quotes = await quotes_for(signal, follows, accounts, self.fanout, self.prices)
        if quotes is not NO_QUOTES:
            # It was waited for them: shards may have gone, and follows may have changed.
            follows = self._follows()
        if signal.action is SignalAction.PLACE:
            orders = self.fanout.entries(signal, follows, accounts, at=self.now(), quotes=quotes)
            async for born in self.book.births(signal, orders, shards, self.ready):
                yield born
            return
        async with self.book.page(signal, self.ready) as page:
            match signal.action:
                case SignalAction.EXIT:
                    await self._exit(page, follows, quotes)
                case SignalAction.CANCEL:
                    await self._cancel(page, await page.placed(shards))
                    await page.finish([], shards)
                case SignalAction.MODIFY:
                    await self._modify(page, follows, quotes)
                    await page.finish([], shards)
        yield page.born

    def _follows(self) -> list[Follow]:
        if not self.followers.holds(self.shards):
            # Without followers in memory the signal would be noted as planned for nobody.
            raise ShardsLost(f"shards {self.shards} of signal {self.signal.signal_id}")
        return self.followers.following_in(self.signal, self.shards)

    async def _exit(self, page: Page, follows: Sequence[Follow], quotes: Quotes) -> None:
        # Locked in any case: an exit that is tried again must not close the same beside this one.
        entries = await page.entries_at_work(self.shards)
        if self.signal.held_quantity is None:
            # First stop what could still open something, then close what is open.
            await self._cancel(page, entries)
        opened = await page.opened(self.shards)
        exits = self.fanout.exits(
            self.signal, follows, self.followers.accounts, opened, quotes=quotes
        )
        await page.finish(exits, self.shards)
        if self.signal.held_quantity is None:
            # What these fill before their cancel takes hold is closed when they have ended.
            await page.expect_late(_at_broker(entries))

    async def _cancel(self, page: Page, orders: Sequence[PlacedOrder]) -> None:
        unsent = [order.order_id for order in orders if order.state in SENDABLE]
        await page.cancel_unsent(unsent, self.shards)
        await page.add_cancels(_at_broker(orders))

    async def _modify(self, page: Page, follows: Sequence[Follow], quotes: Quotes) -> None:
        by_id = {follow.follow_id: follow for follow in follows}
        legs_of: defaultdict[str, list[PlacedOrder]] = defaultdict(list)
        for order in sorted(await page.placed(self.shards), key=lambda order: order.leg):
            if order.follow_id in by_id:
                legs_of[order.follow_id].append(order)
        changes: list[tuple[PlacedOrder, OrderTerms]] = []
        at = self.now()
        for follow_id, legs in legs_of.items():
            working = [order for order in legs if order.state not in TERMINAL]
            if not working:
                continue
            terms = self.fanout.changed(self.signal, by_id[follow_id], legs, at=at, quotes=quotes)
            if isinstance(terms, Refusal):
                at_broker = [order for order in working if order.state not in SENDABLE]
                await page.leave_out_changes(at_broker, sentence(*terms))
            else:
                both = zip(legs, terms, strict=True)
                changes += [pair for pair in both if pair[0].state not in TERMINAL]
        await page.change_unsent([pair for pair in changes if pair[0].state in SENDABLE])
        await page.add_changes([pair for pair in changes if pair[0].state not in SENDABLE])


def _at_broker(orders: Sequence[PlacedOrder]) -> list[PlacedOrder]:
    """Keep those that were sent and have not ended, as far as is known."""
    return [order for order in orders if order.state not in SENDABLE | TERMINAL]
