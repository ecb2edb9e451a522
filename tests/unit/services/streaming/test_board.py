"""The board shows every change soon, and the time of the last message now and then."""

from collections.abc import Sequence
from datetime import datetime, timedelta

import pytest

from services.streaming.board import FeedBoard
from services.streaming.feeds import FeedKeeper
from services.streaming.held import HeldFeed
from tests.factories import NOON, an_account
from tests.unit.services.streaming.fakes import a_feed


class FeedRows:
    def __init__(self) -> None:
        self.shown: list[tuple[str, str]] = []
        self.removed: list[str] = []
        self.away = False

    async def show_feeds(self, owner: str, feeds: Sequence[HeldFeed]) -> None:
        if self.away:
            raise TimeoutError
        self.shown += [(feed.account_id, feed.state.value) for feed in feeds]

    async def remove_feeds(self, account_ids: Sequence[str]) -> None:
        self.removed += account_ids


async def never(feed: HeldFeed) -> None:
    raise AssertionError("no feed is held here")


class Board:
    def __init__(self) -> None:
        self.rows = FeedRows()
        self.at: datetime = NOON
        self.keeper = FeedKeeper(
            hold=never,
            accounts=list,
            now=lambda: self.at,
            brokers=frozenset({an_account().broker}),
            partitions=1,
        )
        self.feed = a_feed()
        self.keeper.feeds["account-1"] = self.feed
        self.board = FeedBoard(table=self.rows, keeper=self.keeper, owner="me")


async def test_a_change_is_shown_once() -> None:
    board = Board()

    await board.board.step()
    board.feed.connected(NOON)
    await board.board.step()
    await board.board.step()

    assert board.rows.shown == [("account-1", "connecting"), ("account-1", "connected")]


async def test_messages_alone_are_shown_only_every_few_seconds() -> None:
    board = Board()
    board.feed.connected(NOON)
    await board.board.step()

    for _ in range(12):
        board.at += timedelta(seconds=0.5)
        board.feed.heard(board.at)
        await board.board.step()

    assert len(board.rows.shown) == 2


async def test_what_could_not_be_written_is_shown_when_it_can() -> None:
    board = Board()
    board.rows.away = True
    with pytest.raises(TimeoutError):
        await board.board.step()
    board.rows.away = False

    await board.board.step()

    assert board.rows.shown == [("account-1", "connecting")]


async def test_an_account_that_disconnected_leaves_the_board() -> None:
    board = Board()
    board.keeper.ended.add("account-2")

    await board.board.step()
    await board.board.step()

    assert board.rows.removed == ["account-2"]
