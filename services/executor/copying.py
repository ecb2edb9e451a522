"""What one signal means for its followers: new orders, or changes of orders already placed."""

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from libs.trading.follows import Follow
from libs.trading.orders import OrderTerms
from libs.trading.signals import Signal, SignalAction
from libs.trading.states import SENDABLE, TERMINAL
from services.executor.births import Born, Ready
from services.executor.fanout import Fanout, Opened, request_hash
from services.executor.followers import Followers, ShardsLost
from services.executor.planning import PlacedOrder
from services.executor.rows import PlannedOrder


class Page(Protocol):
    """The open planning transaction of one signal; `born` holds what it made."""

    born: Born

    async def opened(self, shards: Sequence[int]) -> dict[str, Opened]: ...

    async def placed(self, shards: Sequence[int]) -> list[PlacedOrder]: ...

    async def entries_at_work(self, shards: Sequence[int]) -> list[PlacedOrder]: ...

    async def cancel_unsent(self, order_ids: Sequence[str], shards: Sequence[int]) -> None: ...

    async def change_unsent(self, changes: Sequence[tuple[str, OrderTerms, bytes]]) -> None: ...

    async def add_commands(
        self, kind: str, wanted: Sequence[tuple[PlacedOrder, int | None]]
    ) -> None: ...

    async def finish(self, orders: Sequence[PlannedOrder], shards: Sequence[int]) -> None: ...


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


async def copy(
    book: Book,
    signal: Signal,
    shards: Sequence[int],
    followers: Followers,
    fanout: Fanout,
    ready: Ready,
) -> AsyncIterator[Born]:
    """Write what this signal means for every follower of these shards, and yield what is durable.

    `ready` says whose order may leave at once.
    """
    if not followers.holds(shards):
        # Without followers in memory the signal would be noted as planned for nobody.
        raise ShardsLost(f"shards {shards} of signal {signal.signal_id}")
    follows = [follow for shard in shards for follow in followers.following(signal, shard)]
    if signal.action is SignalAction.PLACE:
        orders = fanout.entries(signal, follows, followers.accounts)
        async for born in book.births(signal, orders, shards, ready):
            yield born
        return
    async with book.page(signal, ready) as page:
        match signal.action:
            case SignalAction.EXIT:
                await _exit(page, signal, shards, follows, followers, fanout)
            case SignalAction.CANCEL:
                await _cancel(page, shards, await page.placed(shards))
                await page.finish([], shards)
            case SignalAction.MODIFY:
                await _modify(page, signal, shards, follows, fanout)
                await page.finish([], shards)
    yield page.born


async def _exit(
    page: Page,
    signal: Signal,
    shards: Sequence[int],
    follows: Sequence[Follow],
    followers: Followers,
    fanout: Fanout,
) -> None:
    # First stop what could still open something, then close what is open.
    await _cancel(page, shards, await page.entries_at_work(shards))
    opened = await page.opened(shards)
    await page.finish(fanout.exits(signal, follows, followers.accounts, opened), shards)


async def _cancel(page: Page, shards: Sequence[int], orders: Sequence[PlacedOrder]) -> None:
    await page.cancel_unsent([o.order_id for o in orders if o.state in SENDABLE], shards)
    at_broker = [o for o in orders if o.state not in SENDABLE | TERMINAL]
    await page.add_commands("CANCEL", [(order, None) for order in at_broker])


async def _modify(
    page: Page,
    signal: Signal,
    shards: Sequence[int],
    follows: Sequence[Follow],
    fanout: Fanout,
) -> None:
    by_id = {follow.follow_id: follow for follow in follows}
    unsent: list[tuple[str, OrderTerms, bytes]] = []
    at_broker: list[tuple[PlacedOrder, int | None]] = []
    for order in await page.placed(shards):
        follow = by_id.get(order.follow_id)
        terms = fanout.modified_terms(signal, follow) if follow else None
        if terms is None or order.state in TERMINAL:
            continue
        if order.state in SENDABLE:
            frozen = request_hash(
                order.instrument, order.side, order.product, order.validity, terms
            )
            unsent.append((order.order_id, terms, frozen))
        else:
            at_broker.append((order, terms.quantity))
    await page.change_unsent(unsent)
    await page.add_commands("MODIFY", at_broker)
