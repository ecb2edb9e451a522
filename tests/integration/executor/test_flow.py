"""What followers get for what a master does, on a real ledger."""

from dataclasses import replace
from decimal import Decimal

import pytest

from libs.brokers.errors import (
    BrokerError,
    NotSent,
    OutcomeUnknown,
    RateLimited,
    SessionExpired,
)
from libs.contracts.codec import Record
from libs.trading.orders import Side
from libs.trading.signals import SignalAction
from services.executor.followers import ShardsLost
from tests.factories import some_terms
from tests.integration.executor.conftest import running
from tests.integration.executor.world import World
from tests.servers import PARTITIONS


async def test_every_follower_gets_their_share_once_and_redelivery_changes_nothing(
    world: World,
) -> None:
    for multiplier in ("1", "0.5", "3"):
        await world.a_follower(multiplier)
    async with running(world.replica):
        signal = await world.emit_and_hear()
        await world.hear(signal)
        await world.until("ACKED", "ACKED", "ACKED")

    assert sorted(i.terms.quantity for i in world.broker.arrivals) == [5, 10, 30]
    assert world.broker.seen == ["SENDING"] * 3  # Durable before the first byte.


async def test_order_with_unknown_outcome_is_looked_up_never_resent(world: World) -> None:
    follower = await world.a_follower()
    world.broker.fails[follower.account_id] = OutcomeUnknown("the line broke")
    async with running(world.replica):
        await world.emit_and_hear()
        await world.until("OPEN")

    assert len(world.broker.arrivals) == 1
    history = await world.owner.fetch("SELECT state FROM executor.order_history ORDER BY version")
    assert [row["state"] for row in history] == ["SENDING", "UNKNOWN", "OPEN"]


async def test_absent_order_counts_as_not_placed_only_after_the_evidence_window(
    world: World,
) -> None:
    follower = await world.a_follower()
    world.broker.fails[follower.account_id] = OutcomeUnknown("the line broke")
    world.broker.acts_then_fails = False
    async with running(world.replica):
        await world.emit_and_hear()
        await world.until("NOT_PLACED")

    [order] = await world.orders()
    assert len(world.broker.arrivals) == 1
    assert order["looks"] >= 3 - 1
    assert (order["changed_at"] - order["deadline"]).total_seconds() >= 0.6


async def test_order_that_appears_after_it_counted_as_not_placed_is_taken_up(
    world: World,
) -> None:
    follower = await world.a_follower()
    world.broker.fails[follower.account_id] = OutcomeUnknown("the line broke")
    world.broker.acts_then_fails = False
    async with running(world.replica):
        await world.emit_and_hear()
        await world.until("NOT_PLACED")
        world.broker.show(world.broker.arrivals[0])
        await world.read_book()
        await world.until("OPEN")


async def test_request_that_never_left_is_tried_again_while_the_signal_lives(
    world: World,
) -> None:
    follower = await world.a_follower()
    world.broker.fails[follower.account_id] = NotSent("connection refused")
    world.broker.acts_then_fails = False
    async with running(world.replica):
        await world.emit_and_hear()
        await world.until("HELD/BREAKER")
        world.broker.fails.clear()
        await world.until("ACKED")

    assert len(world.broker.arrivals) == 2


async def test_signal_too_old_is_never_sent(world: World) -> None:
    await world.a_follower()
    async with running(world.replica):
        await world.emit_and_hear(lives_s=-1)
        await world.until("SKIPPED/EXPIRED")

    assert world.broker.arrivals == []


async def test_kill_switch_stops_entries_and_lets_exits_flow(world: World) -> None:
    await world.a_follower()
    async with running(world.replica):
        await world.emit_and_hear()
        await world.until("ACKED")
        world.broker.fill()
        await world.read_book()
        await world.until("FILLED")
        await world.owner.execute(
            """INSERT INTO executor.kill_switches (scope, reason, changed_by)
            VALUES ('PLATFORM', 'drill', gen_random_uuid())"""
        )
        await world.emit_and_hear()
        await world.until("FILLED", "SKIPPED/KILL")
        await world.emit_and_hear(action=SignalAction.EXIT, side=Side.SELL)
        await world.until("FILLED", "SKIPPED/KILL", "ACKED")

    assert [(i.side, i.terms.quantity) for i in world.broker.arrivals] == [
        ("BUY", 10),
        ("SELL", 10),
    ]


async def test_pause_that_only_the_database_knows_stops_the_claim(world: World) -> None:
    follower = await world.a_follower()
    async with running(world.replica):
        await world.owner.execute(
            "UPDATE signal.follows SET paused = true WHERE follow_id = $1", follower.follow_id
        )
        await world.emit_and_hear()
        await world.until("SKIPPED/PAUSED")

    assert world.broker.arrivals == []


async def test_disconnected_account_gets_nothing(world: World) -> None:
    follower = await world.a_follower()
    async with running(world.replica):
        await world.owner.execute(
            "UPDATE auth.broker_accounts SET session_state = 'DISCONNECTED' WHERE account_id = $1",
            follower.account_id,
        )
        await world.emit_and_hear()
        await world.until("SKIPPED/DISCONNECTED")

    assert world.broker.arrivals == []


async def test_nothing_is_claimed_once_the_lease_is_someone_elses(world: World) -> None:
    await world.a_follower()
    async with running(world.replica):
        await world.owner.execute(
            """UPDATE executor.shard_leases SET owner = 'other', epoch = epoch + 1,
                until = clock_timestamp() + interval '1 minute'"""
        )
        await world.emit_and_hear(lives_s=2)
        await world.until("PLANNED")

    assert world.broker.arrivals == []


async def test_signal_the_bus_lost_is_read_from_the_database_and_planned_first(
    world: World,
) -> None:
    await world.a_follower()
    async with running(world.replica):
        await world.emit_and_hear()
        await world.emit()
        await world.emit_and_hear()
        await world.until("ACKED", "ACKED", "ACKED")

    assert len(world.broker.arrivals) == 3


async def test_follow_that_was_heard_after_its_signal_still_gets_it(world: World) -> None:
    await world.a_follower()
    async with running(world.replica):
        await world.emit_and_hear()
        late = await world.a_follower()
        await world.emit_and_hear()
        await world.hear(late)
        await world.hear(late)
        await world.until("ACKED", "ACKED", "ACKED")

    assert [i.account_id for i in world.broker.arrivals].count(late.account_id) == 1


@pytest.mark.parametrize("refusal", [SessionExpired("no"), RateLimited("no", retry_after_s=0.1)])
async def test_refusal_that_proves_nothing_at_this_broker_leaves_the_order_in_doubt(
    world: World, refusal: BrokerError
) -> None:
    follower = await world.a_follower()
    world.broker.fails[follower.account_id] = refusal
    work = world.replica.work
    work.flow = replace(work.flow, refusals_prove=False)
    async with running(world.replica):
        await world.emit_and_hear()
        await world.until_history("UNKNOWN")

    assert len(world.broker.arrivals) == 1


async def test_modify_scales_for_each_follower_and_cancel_ends_what_is_at_the_broker(
    world: World,
) -> None:
    await world.a_follower("2")
    async with running(world.replica):
        placed = await world.emit_and_hear()
        await world.until("ACKED")
        await world.emit_and_hear(
            action=SignalAction.MODIFY,
            parent_signal_id=placed.signal_id,
            terms=some_terms(quantity=7, limit_price=Decimal("810.05")),
        )
        await world.cancel(placed)
        await world.until("CANCELLED")

    kinds = [kind for kind, _, _ in world.broker.changes]
    assert kinds[-1] == "CANCEL"
    modified = [intent for kind, _, intent in world.broker.changes if kind == "MODIFY"]
    assert [i.terms.quantity for i in modified] in ([], [14])  # A cancel may overtake it.


async def test_modify_and_cancel_of_what_was_not_sent_yet_never_reach_the_broker(
    world: World,
) -> None:
    follower = await world.a_follower()
    world.sessions.missing.add(follower.account_id)
    async with running(world.replica):
        placed = await world.emit_and_hear()
        await world.until("HELD/SESSION")
        await world.emit_and_hear(
            action=SignalAction.MODIFY,
            parent_signal_id=placed.signal_id,
            terms=some_terms(quantity=3, limit_price=Decimal("810.05")),
        )
        [order] = await world.orders()
        assert (order["limit_price"], order["quantity"]) == (Decimal("810.05"), 3)
        await world.cancel(placed)
        await world.until("SKIPPED/MASTER_CANCELLED")

    assert world.broker.arrivals == []


async def test_exit_closes_what_the_strategy_holds_and_no_more(world: World) -> None:
    await world.a_follower("1")
    await world.a_follower("2")
    async with running(world.replica):
        await world.emit_and_hear()
        await world.until("ACKED", "ACKED")
        world.broker.fill(6)
        await world.read_book()
        await world.emit_and_hear(action=SignalAction.EXIT, side=Side.SELL)
        await world.emit_and_hear(action=SignalAction.EXIT, side=Side.SELL)
        await world.until(
            "CANCELLED", "CANCELLED", "ACKED", "ACKED",
            "SKIPPED/CLOSED_ELSEWHERE", "SKIPPED/CLOSED_ELSEWHERE",
        )  # fmt: skip

    exits = [i.terms.quantity for i in world.broker.arrivals if i.side is Side.SELL]
    assert exits == [6, 6]


async def test_answer_that_no_row_can_hold_keeps_back_no_other(world: World) -> None:
    for _ in range(3):
        await world.a_follower()
    strange = world.follows[0].account_id
    world.broker.refusals[strange] = "a zero byte: \x00"
    async with running(world.replica):
        await world.emit_and_hear()
        await world.until_at_broker()

    assert len(world.broker.arrivals) == 3


async def test_replica_that_dies_while_sending_is_settled_by_the_next_one(world: World) -> None:
    await world.a_follower()
    async with running(world.replica):
        await world.emit_and_hear()
        await world.until("ACKED")
    # As a crash between the reply and its record leaves it.
    await world.owner.execute(
        """UPDATE executor.orders SET state = 'SENDING', broker_order_id = NULL,
            deadline = clock_timestamp()"""
    )
    async with running(world.replica):
        await world.until("OPEN")

    assert len(world.broker.arrivals) == 1


async def test_order_cancelled_while_on_the_wire_is_not_sent_again_when_it_comes_back(
    world: World,
) -> None:
    follower = await world.a_follower()
    world.broker.fails[follower.account_id] = RateLimited("slow down", retry_after_s=0.4)
    world.broker.acts_then_fails = False
    async with running(world.replica):
        signal = await world.emit_and_hear()
        await world.until("HELD/RATE")
        # As planned while the request was on the wire: a change of an order at its broker.
        await world.owner.execute(
            """INSERT INTO executor.commands
                (order_id, n, kind, broker, shard, signal_id, expires_at)
            SELECT order_id, 1, 'CANCEL', broker, shard, gen_random_uuid(), expires_at
            FROM executor.orders WHERE signal_id = $1""",
            signal.signal_id,
        )
        world.broker.fails.clear()
        await world.until("SKIPPED/MASTER_CANCELLED")

    assert len(world.broker.arrivals) == 1


async def test_signal_is_never_noted_as_planned_by_a_replica_that_just_lost_its_shards(
    world: World,
) -> None:
    await world.a_follower()
    async with running(world.replica):
        signal = await world.emit()
        flow = world.replica.work.flow
        flow.followers.drop(range(PARTITIONS))
        with pytest.raises(ShardsLost):
            await flow.plan([Record(topic="signals.v1", partition=0, offset=0, event=signal)])

    assert await world.owner.fetchval("SELECT count(*) FROM executor.inbox") == 0
