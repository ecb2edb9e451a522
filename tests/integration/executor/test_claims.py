"""Where money leaves: each clause of the two statements that make an order SENDING, alone."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime

import asyncpg
import pytest

from libs.trading.market import RequestKind
from libs.trading.signals import Signal
from services.executor.births import Born
from services.executor.replica import Replica
from services.executor.rows import Claim, Due, PlannedOrder
from tests.integration.executor.conftest import running
from tests.integration.executor.papers import (
    ALGO_ID,
    LOSSES,
    OTHER_ALGO_ID,
    change_algo_id,
    go_live,
    record,
)
from tests.integration.executor.world import World, an_id, partitions

KILL = "INSERT INTO executor.kill_switches (scope, reason, changed_by) VALUES ('PLATFORM', 'd', $1)"
OTHERS_LEASE = "UPDATE executor.shard_leases SET owner = 'somebody else'"
OLD_EPOCH = "UPDATE executor.shard_leases SET epoch = epoch + 1"
LAPSED_LEASE = "UPDATE executor.shard_leases SET until = clock_timestamp() - interval '1 s'"
PAUSED = "UPDATE signal.follows SET paused = true"
ENDED = "UPDATE signal.follows SET until_seq = from_seq"
LIVE = "UPDATE auth.broker_accounts SET environment = 'LIVE'"
DISCONNECTED = "UPDATE auth.broker_accounts SET session_state = 'DISCONNECTED'"

OBSTACLES = {
    "the lease is somebody else's": OTHERS_LEASE,
    "the lease has a newer epoch": OLD_EPOCH,
    "the lease has run out": LAPSED_LEASE,
    "a kill switch is on": KILL.replace("$1", "gen_random_uuid()"),
    "the follow is paused": PAUSED,
    "the follow has ended": ENDED,
    "the account is disconnected": DISCONNECTED,
    "the live account has no consent": LIVE,
}


@asynccontextmanager
async def owning(replica: Replica) -> AsyncIterator[None]:
    """Own every shard; no loop runs, so nothing moves but what the test does."""
    await replica.shards.on_partitions_assigned(partitions())
    keeping = asyncio.create_task(replica.shards.keep())
    async with asyncio.timeout(8):
        while not replica.shards.settled:  # noqa: ASYNC110  # The database decides.
            await asyncio.sleep(0.01)
    keeping.cancel()
    await asyncio.wait([keeping])
    yield


@pytest.fixture
async def waiting(world: World) -> AsyncIterator[Due]:
    """Plan one order that waits for its session."""
    follower = await world.a_follower()
    world.sessions.missing.add(follower.account_id)
    async with owning(world.replica):
        await world.emit_and_hear()
        yield await due(world)


@pytest.fixture
async def waiting_live(world: World) -> AsyncIterator[Due]:
    """Plan one order of a live account that has all its papers and waits for its session."""
    follower = await world.a_follower()
    await go_live(world)
    world.sessions.missing.add(follower.account_id)
    async with owning(world.replica):
        await world.emit_and_hear()
        yield await due(world)


async def due(world: World) -> Due:
    [order] = await world.orders()
    assert order["state"] == "PLANNED"
    planned = await planned_orders(world, await world.emit())
    return Due(
        order_id=str(order["order_id"]), version=order["version"], leaving=planned[0].leaving
    )


async def planned_orders(world: World, signal: Signal) -> Sequence[PlannedOrder]:
    followers = world.replica.work.followers
    fanout = world.replica.work.flow.fanout
    return fanout.entries(signal, world.follows, followers.accounts, at=datetime.now(UTC))


async def claimed(world: World, item: Due) -> list[Claim]:
    return await world.replica.ledger.claim([item])


async def born(
    world: World,
    signal: Signal,
    orders: Sequence[PlannedOrder],
    planned_shards: Sequence[int] = (),
) -> Born:
    async with world.replica.ledger.pool.acquire() as connection:
        return await world.replica.ledger.new.write(
            connection, signal, orders, planned_shards, lambda _: True
        )


async def test_what_nothing_stands_against_is_claimed_once(world: World, waiting: Due) -> None:
    assert len(await claimed(world, waiting)) == 1
    assert await claimed(world, waiting) == []
    assert await world.states() == ["SENDING"]


@pytest.mark.parametrize("obstacle", OBSTACLES)
async def test_nothing_is_claimed_while(world: World, waiting: Due, obstacle: str) -> None:
    await world.owner.execute(OBSTACLES[obstacle])

    assert await claimed(world, waiting) == []
    assert await world.states() == ["PLANNED"]


async def test_a_live_order_with_its_papers_is_claimed_and_carries_its_algo_id(
    world: World, waiting_live: Due
) -> None:
    [claim] = await claimed(world, waiting_live)

    assert claim.intent.algo_id == ALGO_ID


@pytest.mark.parametrize("loss", LOSSES)
async def test_an_entry_is_skipped_with_its_reason_when_after_planning(
    world: World, waiting_live: Due, loss: str
) -> None:
    reason, statement = LOSSES[loss]
    await world.owner.execute(statement)

    assert await claimed(world, waiting_live) == []
    await world.replica.ledger.claims.skip_stopped([waiting_live])
    [order] = await world.orders()
    assert (order["state"], order["reason"]) == ("SKIPPED", reason)
    assert order["message"]


async def test_an_entry_whose_algo_id_was_exchanged_after_planning_is_skipped(
    world: World, waiting_live: Due
) -> None:
    await change_algo_id(world)

    assert await claimed(world, waiting_live) == []
    await world.replica.ledger.claims.skip_stopped([waiting_live])
    assert [order["reason"] for order in await world.orders()] == ["NO_ALGO_ID"]


async def test_an_algo_id_that_is_registered_again_stops_nothing(
    world: World, waiting_live: Due
) -> None:
    await change_algo_id(world)
    await record(world, "ALGO_ID", ALGO_ID, strategy_id=world.strategy_id)

    assert len(await claimed(world, waiting_live)) == 1


@pytest.mark.parametrize("loss", LOSSES)
async def test_an_exit_that_is_planned_leaves_whatever_paper_is_lost_then(
    world: World, waiting_live: Due, loss: str
) -> None:
    await world.owner.execute("UPDATE executor.orders SET action = 'EXIT'")
    await world.owner.execute(LOSSES[loss][1])
    leaving = replace(waiting_live.leaving, kind=RequestKind.EXIT)

    assert len(await claimed(world, replace(waiting_live, leaving=leaving))) == 1


async def test_no_live_order_is_born_sending_without_its_papers(world: World) -> None:
    await world.a_follower()
    await go_live(world)
    async with owning(world.replica):
        signal = await world.emit()
        orders = await planned_orders(world, signal)
        await world.owner.execute(LOSSES["the regime runs out"][1])
        refused = await born(world, signal, orders)
        await change_algo_id(world)
        signal = await world.emit()
        exchanged = await born(world, signal, await planned_orders(world, signal))

    assert (refused.claims, exchanged.claims) == ([], [])
    assert {order["algo_id"] for order in await world.orders()} == {ALGO_ID}


async def test_an_order_carries_its_strategys_own_algo_id(world: World) -> None:
    await world.a_follower()
    await go_live(world)
    await record(world, "ALGO_ID", OTHER_ALGO_ID, strategy_id=world.strategy_id)
    async with owning(world.replica):
        signal = await world.emit()
        made = await born(world, signal, await planned_orders(world, signal))

    assert [claim.intent.algo_id for claim in made.claims] == [OTHER_ALGO_ID]


async def test_what_has_expired_is_not_claimed(world: World, waiting: Due) -> None:
    await world.owner.execute("UPDATE executor.orders SET expires_at = clock_timestamp()")

    assert await claimed(world, waiting) == []


async def test_what_somebody_changed_meanwhile_is_not_claimed(world: World, waiting: Due) -> None:
    await world.owner.execute("UPDATE executor.orders SET version = version + 1")

    assert await claimed(world, waiting) == []


@pytest.mark.parametrize("state", ["UNKNOWN", "SENDING", "NOT_PLACED", "NEEDS_ATTENTION", "OPEN"])
async def test_what_may_be_at_the_broker_is_never_claimed_again(
    world: World, waiting: Due, state: str
) -> None:
    # The version fits: only the state says that it must not leave once more.
    await world.owner.execute("UPDATE executor.orders SET state = $1", state)

    assert await claimed(world, waiting) == []


@pytest.mark.parametrize("state", ["UNKNOWN", "SENDING", "NOT_PLACED", "NEEDS_ATTENTION", "OPEN"])
async def test_an_exit_that_may_be_at_the_broker_is_never_claimed_again(
    world: World, waiting: Due, state: str
) -> None:
    # No doubt about another order holds an exit back: its own state has to.
    await world.owner.execute("UPDATE executor.orders SET action = 'EXIT', state = $1", state)
    leaving = replace(waiting.leaving, kind=RequestKind.EXIT)

    assert await claimed(world, replace(waiting, leaving=leaving)) == []


async def test_what_is_claimed_is_durable_before_the_broker_hears_of_it(world: World) -> None:
    follower = await world.a_follower()
    world.sessions.missing.add(follower.account_id)
    async with running(world.replica):
        await world.emit_and_hear()
        await world.until("HELD/SESSION")
        world.sessions.missing.clear()
        world.replica.work.sessions.want([follower.account_id])
        await world.until("ACKED", within_s=15)

    assert world.broker.seen == ["SENDING"]


async def test_an_entry_beside_a_doubt_in_the_same_instrument_is_not_claimed(
    world: World, waiting: Due
) -> None:
    await another_in_doubt(world)

    assert await claimed(world, waiting) == []


async def test_an_order_nothing_stands_against_is_born_sending(world: World) -> None:
    await world.a_follower()
    async with owning(world.replica):
        signal = await world.emit()
        made = await born(world, signal, await planned_orders(world, signal))

    assert len(made.claims) == 1
    assert await world.states() == ["SENDING"]


@pytest.mark.parametrize("obstacle", OBSTACLES)
async def test_no_order_is_born_sending_while(world: World, obstacle: str) -> None:
    await world.a_follower()
    async with owning(world.replica):
        signal = await world.emit()
        orders = await planned_orders(world, signal)
        await world.owner.execute(OBSTACLES[obstacle])
        made = await born(world, signal, orders)

    assert made.claims == []
    assert await world.states() == ["PLANNED"]


async def test_no_order_is_born_sending_after_its_expiry(world: World) -> None:
    await world.a_follower()
    async with owning(world.replica):
        signal = await world.emit(lives_s=-1)
        made = await born(world, signal, await planned_orders(world, signal))

    assert made.claims == []


async def test_no_entry_is_born_sending_beside_a_doubt_in_its_instrument(world: World) -> None:
    follower = await world.a_follower()
    world.sessions.missing.add(follower.account_id)
    async with owning(world.replica):
        await world.emit_and_hear()
        await world.owner.execute("UPDATE executor.orders SET state = 'UNKNOWN'")
        signal = await world.emit()
        made = await born(world, signal, await planned_orders(world, signal))

    assert made.claims == []


async def test_a_follower_has_one_order_per_signal_whoever_plans_it(world: World) -> None:
    await world.a_follower()
    async with owning(world.replica):
        signal = await world.emit()
        first = await born(world, signal, await planned_orders(world, signal))
        second = await born(world, signal, await planned_orders(world, signal))

    assert (len(first.claims), second.claims) == (1, [])
    assert len(await world.orders()) == 1


async def test_no_two_orders_carry_the_same_tag(world: World, waiting: Due) -> None:
    with pytest.raises(asyncpg.UniqueViolationError):
        await another_order(world, tag="client_order_id")


async def test_a_signal_stands_once_in_the_inbox_of_a_shard_whoever_plans_it(world: World) -> None:
    async with owning(world.replica):
        signal = await world.emit()
        for _ in range(2):
            await born(world, signal, [], planned_shards=[0, 1])

    rows = await world.owner.fetch("SELECT shard FROM executor.inbox ORDER BY shard")
    assert [row["shard"] for row in rows] == [0, 1]


async def another_in_doubt(world: World) -> None:
    """Put a second order of the same account and instrument in doubt."""
    await another_order(world, tag="reverse(client_order_id)", state="UNKNOWN")


async def another_order(world: World, *, tag: str, state: str = "PLANNED") -> None:
    columns = [
        row["attname"]
        for row in await world.owner.fetch(
            """SELECT attname FROM pg_attribute
            WHERE attrelid = 'executor.orders'::regclass AND attnum > 0 AND NOT attisdropped"""
        )
    ]
    changed = {
        "order_id": f"'{an_id()}'::uuid",
        "signal_id": f"'{an_id()}'::uuid",
        "client_order_id": tag,
        "state": f"'{state}'",
    }
    values = ", ".join(changed.get(name, name) for name in columns)
    await world.owner.execute(
        f"INSERT INTO executor.orders ({', '.join(columns)})"  # noqa: S608  # Our own names.
        f" SELECT {values} FROM executor.orders"
    )


@pytest.mark.parametrize(("kind", "again"), [("MODIFY", 0), ("CANCEL", 1)])
async def test_a_change_whose_answer_was_lost_is_compared_before_it_is_sent_again(
    world: World, waiting: Due, kind: str, again: int
) -> None:
    await world.owner.execute("UPDATE executor.orders SET state = 'OPEN', broker_order_id = 'B1'")
    await world.owner.execute(
        """INSERT INTO executor.commands (order_id, n, kind, broker, shard, signal_id, expires_at)
        SELECT order_id, 1, $1, broker, shard, signal_id, expires_at FROM executor.orders""",
        kind,
    )
    leaving = replace(waiting.leaving, kind=RequestKind(kind))
    due = replace(waiting, version=0, leaving=leaving, command=1)
    [first] = await claimed(world, due)
    await world.replica.ledger.finish_command(first, "DUE", "no answer")

    # As if it had waited in the lanes since before it was sent.
    second = await claimed(world, due)

    assert len(second) == again
    if not again:
        await world.owner.execute("UPDATE executor.commands SET compared_at = clock_timestamp()")
        assert len(await claimed(world, due)) == 1
