"""Which accounts have a feed task here: connected ones of leased shards, one task each."""

import asyncio
from dataclasses import replace

from libs.trading.accounts import Account, SessionState
from libs.trading.shards import shard_of
from services.streaming.feeds import FeedKeeper
from services.streaming.held import FeedState, HeldFeed
from tests.factories import NOON, an_account
from tests.unit.services.streaming.fakes import so

BROKER = an_account().broker
ALL = {(BROKER, number): 1 for number in range(4)}


class Holding:
    """Stands in for the flow; remembers who is held now and how often each was begun."""

    def __init__(self) -> None:
        self.now: list[str] = []
        self.begun: list[str] = []
        self.twice_at_once = False

    async def __call__(self, feed: HeldFeed) -> None:
        self.begun.append(feed.account_id)
        self.twice_at_once |= feed.account_id in self.now
        self.now.append(feed.account_id)
        feed.connected(NOON)
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            self.now.remove(feed.account_id)


class HoldingThatFails:
    """Dies of a mistake of ours the first time."""

    def __init__(self) -> None:
        self.begun = 0

    async def __call__(self, feed: HeldFeed) -> None:
        self.begun += 1
        if self.begun == 1:
            raise ZeroDivisionError
        await asyncio.Event().wait()


class Desk:
    def __init__(self, hold: Holding | HoldingThatFails, *accounts: Account) -> None:
        self.known = {account.account_id: account for account in accounts}
        self.keeper = FeedKeeper(
            hold=hold,
            accounts=self.known.values,
            now=lambda: NOON,
            brokers=frozenset({BROKER}),
            partitions=4,
            restart_s=0.0,
        )

    def change(self, account: Account) -> None:
        self.known[account.account_id] = account
        self.keeper.consider(account)


async def test_connected_accounts_of_leased_shards_are_held_and_no_others() -> None:
    holding = Holding()
    accounts = [an_account(account_id=f"account-{number}") for number in range(12)]
    expired = an_account(account_id="expired", session_state=SessionState.EXPIRED)
    desk = Desk(holding, *accounts, expired)
    mine = [a.account_id for a in accounts if shard_of(a.account_id, 4) in {0, 2}]

    await desk.keeper.set_shards({(BROKER, 0): 1, (BROKER, 2): 1})
    await so(lambda: len(holding.now) == len(mine))

    assert sorted(holding.now) == sorted(mine)
    await desk.keeper.close()
    assert holding.now == []


async def test_an_account_that_connects_later_is_held_at_once() -> None:
    holding = Holding()
    desk = Desk(holding)
    await desk.keeper.set_shards(ALL)

    desk.change(an_account())
    await so(lambda: holding.now == ["account-1"])

    await desk.keeper.close()


async def test_a_newer_version_begins_anew_but_never_two_lines_at_once() -> None:
    holding = Holding()
    desk = Desk(holding, an_account())
    await desk.keeper.set_shards(ALL)
    await so(lambda: holding.now)

    desk.change(an_account(version=2))
    desk.change(an_account(version=2))
    await so(lambda: len(holding.begun) == 2)

    assert not holding.twice_at_once
    await desk.keeper.close()


async def test_another_shard_does_not_disturb_the_feeds_held_already() -> None:
    holding = Holding()
    desk = Desk(holding, an_account())
    own = shard_of("account-1", 4)
    await desk.keeper.set_shards({(BROKER, own): 1})
    await so(lambda: holding.now)

    await desk.keeper.set_shards(ALL)
    for _ in range(20):
        await asyncio.sleep(0)

    assert holding.begun == ["account-1"]
    await desk.keeper.close()


async def test_a_disconnected_account_leaves_the_board_and_an_expired_one_stays_on_it() -> None:
    holding = Holding()
    one, two = an_account(account_id="one"), an_account(account_id="two")
    desk = Desk(holding, one, two)
    await desk.keeper.set_shards(ALL)
    await so(lambda: len(holding.now) == 2)

    desk.change(replace(one, version=2, session_state=SessionState.DISCONNECTED))
    desk.change(replace(two, version=2, session_state=SessionState.EXPIRED))
    await so(lambda: not holding.now)

    assert set(desk.keeper.feeds) == {"two"}
    assert desk.keeper.feeds["two"].state is FeedState.EXPIRED
    assert desk.keeper.feeds["two"].out_since is None
    assert desk.keeper.ended == {"one"}


async def test_lines_of_a_lost_shard_are_closed_before_it_is_given_up() -> None:
    holding = Holding()
    desk = Desk(holding, an_account())
    await desk.keeper.set_shards(ALL)
    await so(lambda: holding.now)

    await desk.keeper.set_shards({})

    assert holding.now == []
    assert desk.keeper.feeds == {}


async def test_a_shard_taken_again_under_a_newer_lease_begins_anew() -> None:
    holding = Holding()
    desk = Desk(holding, an_account())
    await desk.keeper.set_shards(ALL)
    await so(lambda: holding.now)

    await desk.keeper.set_shards(dict.fromkeys(ALL, 2))
    await so(lambda: len(holding.begun) == 2)

    assert desk.keeper.feeds["account-1"].epoch == 2
    await desk.keeper.close()


async def test_a_task_that_died_of_our_mistake_is_started_again() -> None:
    holding = HoldingThatFails()
    desk = Desk(holding, an_account())

    await desk.keeper.set_shards(ALL)
    await so(lambda: holding.begun == 2)

    assert "ZeroDivisionError" in desk.keeper.feeds["account-1"].message
    await desk.keeper.close()


async def test_a_reread_reaches_the_feeds_held_here_only() -> None:
    desk = Desk(Holding(), an_account())
    await desk.keeper.set_shards(ALL)

    desk.keeper.reread({"account-1", "elsewhere"})

    assert desk.keeper.feeds["account-1"].book_wanted.is_set()
    await desk.keeper.close()
