"""How a master's change reaches the slices of one order."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, cast

import pytest

from libs.trading.accounts import Environment
from libs.trading.orders import OrderTerms
from libs.trading.quotes import Quote
from libs.trading.signals import Signal, SignalAction
from libs.trading.states import OrderState
from services.executor.births import Born, Ready
from services.executor.copying import Book, Copying
from services.executor.exits import Opened
from services.executor.followers import Followers
from services.executor.planning import PlacedOrder
from services.executor.rows import PlannedOrder
from tests.factories import NOON, a_follow, a_signal, an_account, some_terms
from tests.unit.services.executor.test_fanout import a_fanout, a_placed_order

if TYPE_CHECKING:
    from services.executor.copying import Page


class PageOfOneOrder:
    """Shows the slices of one order and remembers what is asked of them."""

    def __init__(self, legs: Sequence[PlacedOrder]) -> None:
        self.born = Born()
        self.legs = list(legs)
        self.changes: list[tuple[PlacedOrder, OrderTerms]] = []
        self.left_out: list[str] = []
        self.locked = False
        self.cancelled: list[PlacedOrder] = []
        self.watched: list[PlacedOrder] = []

    async def expect_late(self, entries: Sequence[PlacedOrder]) -> None:
        self.watched += entries

    async def entries_at_work(self, shards: Sequence[int]) -> list[PlacedOrder]:
        self.locked = True
        return self.legs

    async def opened(self, shards: Sequence[int]) -> dict[str, Opened]:
        return {}

    async def cancel_unsent(self, order_ids: Sequence[str], shards: Sequence[int]) -> None: ...

    async def add_cancels(self, orders: Sequence[PlacedOrder]) -> None:
        self.cancelled += orders

    async def placed(self, shards: Sequence[int]) -> list[PlacedOrder]:
        return self.legs

    async def change_unsent(self, changes: Sequence[tuple[PlacedOrder, OrderTerms]]) -> None:
        self.changes += changes

    async def add_changes(self, wanted: Sequence[tuple[PlacedOrder, OrderTerms]]) -> None:
        self.changes += wanted

    async def leave_out_changes(self, orders: Sequence[PlacedOrder], why: str) -> None:
        self.left_out.append(why)

    async def finish(self, orders: Sequence[PlannedOrder], shards: Sequence[int]) -> None: ...


class BookOfOnePage:
    def __init__(self, page: PageOfOneOrder) -> None:
        self._page = page

    @asynccontextmanager
    async def page(self, signal: Signal, ready: Ready) -> AsyncIterator["Page"]:
        yield cast("Page", self._page)


class NoPrices:
    async def of(self, instrument: str, environment: Environment) -> Quote | None:
        return None

    async def aclose(self) -> None: ...


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        # A thousand are filled: what is at work must not become another thousand.
        (1000, {1: 600}),
        (1900, {1: 900}),
    ],
)
async def test_a_slice_that_is_over_counts_when_the_rest_is_changed(
    wanted: int, expected: dict[int, int]
) -> None:
    filled = a_placed_order(1000, state=OrderState.FILLED)
    page = PageOfOneOrder([filled, a_placed_order(600, leg=1)])
    followers = Followers("fyers", 1)
    followers.take([0], [a_follow()], [an_account()], {})

    copying = Copying(
        book=cast("Book", BookOfOnePage(page)),
        signal=a_signal(
            action=SignalAction.MODIFY, seq=2, terms=some_terms(quantity=wanted), side=None
        ),
        shards=[0],
        followers=followers,
        fanout=a_fanout(),
        prices=NoPrices(),
        ready=lambda _: True,
        now=lambda: NOON,
    )
    _ = [born async for born in copying.write()]

    assert {order.leg: terms.quantity for order, terms in page.changes} == expected
    assert page.left_out == []


@pytest.mark.parametrize(("held_quantity", "cancelled"), [(40, 0), (None, 1)])
async def test_every_exit_locks_the_entries_and_a_partial_one_leaves_them_at_work(
    held_quantity: int | None, cancelled: int
) -> None:
    page = PageOfOneOrder([a_placed_order(10)])
    followers = Followers("fyers", 1)
    followers.take([0], [a_follow()], [an_account()], {})

    copying = Copying(
        book=cast("Book", BookOfOnePage(page)),
        signal=a_signal(action=SignalAction.EXIT, seq=2, side=None, held_quantity=held_quantity),
        shards=[0],
        followers=followers,
        fanout=a_fanout(),
        prices=NoPrices(),
        ready=lambda _: True,
        now=lambda: NOON,
    )
    _ = [born async for born in copying.write()]

    assert page.locked
    assert len(page.cancelled) == len(page.watched) == cancelled
