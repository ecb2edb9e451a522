"""What one signal writes on the planning page: new orders, or changes of orders already placed."""

from collections.abc import Sequence
from typing import Protocol

from libs.trading.follows import Follow
from libs.trading.orders import OrderTerms
from libs.trading.signals import Signal, SignalAction
from libs.trading.states import SENDABLE, TERMINAL
from services.executor.fanout import Fanout, Opened, request_hash
from services.executor.followers import Followers
from services.executor.planning import PlacedOrder
from services.executor.rows import PlannedOrder


class Page(Protocol):
    """One open planning transaction."""

    async def new_shards(self, signal: Signal, shards: Sequence[int]) -> list[int]: ...

    async def add_orders(self, signal: Signal, orders: Sequence[PlannedOrder]) -> None: ...

    async def opened(self, signal: Signal, shards: Sequence[int]) -> dict[str, Opened]: ...

    async def placed(self, parent_signal_id: str, shards: Sequence[int]) -> list[PlacedOrder]: ...

    async def entries_at_work(self, signal: Signal, shards: Sequence[int]) -> list[PlacedOrder]: ...

    async def cancel_unsent(self, order_ids: Sequence[str], shards: Sequence[int]) -> None: ...

    async def change_unsent(
        self, signal: Signal, changes: Sequence[tuple[str, OrderTerms, bytes]]
    ) -> None: ...

    async def add_commands(
        self, signal: Signal, kind: str, wanted: Sequence[tuple[PlacedOrder, int | None]]
    ) -> None: ...


async def copy(
    page: Page, signal: Signal, shards: Sequence[int], followers: Followers, fanout: Fanout
) -> None:
    """Write what this signal means for every follower of these shards; nothing if it stands."""
    new = await page.new_shards(signal, shards)
    if not new:
        return
    follows = [follow for shard in new for follow in followers.following(signal, shard)]
    match signal.action:
        case SignalAction.PLACE:
            await page.add_orders(signal, fanout.entries(signal, follows, followers.accounts))
        case SignalAction.EXIT:
            await _exit(page, signal, new, follows, followers, fanout)
        case SignalAction.CANCEL:
            await _cancel(page, signal, new, await page.placed(_parent(signal), new))
        case SignalAction.MODIFY:
            await _modify(page, signal, new, follows, fanout)


async def _exit(
    page: Page,
    signal: Signal,
    shards: Sequence[int],
    follows: Sequence[Follow],
    followers: Followers,
    fanout: Fanout,
) -> None:
    # First stop what could still open something, then close what is open.
    await _cancel(page, signal, shards, await page.entries_at_work(signal, shards))
    opened = await page.opened(signal, shards)
    await page.add_orders(signal, fanout.exits(signal, follows, followers.accounts, opened))


async def _cancel(
    page: Page, signal: Signal, shards: Sequence[int], orders: Sequence[PlacedOrder]
) -> None:
    await page.cancel_unsent([o.order_id for o in orders if o.state in SENDABLE], shards)
    at_broker = [o for o in orders if o.state not in SENDABLE | TERMINAL]
    await page.add_commands(signal, "CANCEL", [(order, None) for order in at_broker])


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
    for order in await page.placed(_parent(signal), shards):
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
    await page.change_unsent(signal, unsent)
    await page.add_commands(signal, "MODIFY", at_broker)


def _parent(signal: Signal) -> str:
    if signal.parent_signal_id is None:
        raise ValueError(f"signal {signal.signal_id}: {signal.action} names no parent")
    return signal.parent_signal_id
