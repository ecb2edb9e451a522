"""Rows 4 to 10, 30 and 48: an executor dies, freezes, stops or joins in the middle of its work."""

import asyncio
import time
from collections.abc import Sequence

from libs.runtime.crashpoints import Crashpoint
from tests.faults.armed import arm
from tests.faults.case import AT_BROKER
from tests.faults.crowd import Member
from tests.faults.rows import Whole, row
from tests.faults.scene import Failed, Scene
from tests.faults.world import ANSWER_TIMEOUT_S, EXECUTORS, GRACE_S, PROOF_S

IN_DOUBT = "ORDERS_IN_DOUBT"
_VICTIM = EXECUTORS[0]
_DIES_WITHIN_S = 15
_NOTHING_SENT = frozenset({"SKIPPED", "NOT_PLACED"})


@row(4, "SIGKILL planner mid-transaction", followers=8)
async def killed_while_planning(scene: Scene) -> None:
    signal_id, served = await _dies_at(scene, Crashpoint.PLANNING)
    # Nobody takes over before the group has noticed, so what stands now is what was committed.
    written = {order.account_id for order in await scene.world.ledger.orders([signal_id])}
    half = written & {follower.account_id for follower in served}
    scene.check(not half, f"{len(half)} orders of a transaction that was never committed")
    await _meanwhile(scene)
    await scene.mend()


@row(5, "SIGKILL planner after commit, before offset commit", followers=8)
async def killed_after_plan(scene: Scene) -> None:
    await _dies_at(scene, Crashpoint.AFTER_PLAN_COMMIT)
    await _meanwhile(scene)
    await scene.pause(0, 1)
    await scene.mend()


@row(6, "SIGKILL dispatcher after SENDING commit, before the socket write", followers=8)
async def killed_before_the_write(scene: Scene) -> None:
    signal_id, served = await _dies_at(scene, Crashpoint.AFTER_SENDING_COMMIT)
    await scene.expect_alarm(IN_DOUBT)
    await _meanwhile(scene)
    await scene.mend()
    await scene.until_states(signal_id, AT_BROKER | _NOTHING_SENT, PROOF_S + 10)
    mine = {follower.account_id for follower in served}
    orders = await scene.world.ledger.orders([signal_id])
    absent = [o for o in orders if o.state == "NOT_PLACED" and o.account_id in mine]
    scene.check(bool(absent), "no order was proved absent: which one was claimed and not sent?")


@row(7, "SIGKILL while the request is on the wire", followers=8)
async def killed_on_the_wire(scene: Scene) -> None:
    scene.strikes(await _served_by(scene, _VICTIM))
    # The lag outlives the deadline: until then an order is not in doubt.
    lag_s = ANSWER_TIMEOUT_S + GRACE_S + hidden_s(scene)
    await scene.world.simulator.knob(latency_ms=1500, operations=["place"], visibility_lag_s=lag_s)
    signal_id = await scene.emit()
    await scene.until_arrivals(len(scene.followers))
    await scene.pause(0, 1)
    scene.world.machine.kill(_VICTIM)
    scene.fault_over()
    await scene.expect_alarm(IN_DOUBT)
    await _meanwhile(scene)
    await scene.mend()
    await scene.until_states(signal_id, AT_BROKER, PROOF_S + 10)


@row(8, "SIGKILL after reply, before the ACKED commit", followers=8)
async def killed_after_the_reply(scene: Scene) -> None:
    lag_s = ANSWER_TIMEOUT_S + GRACE_S + hidden_s(scene)
    await scene.world.simulator.knob(operations=["place"], visibility_lag_s=lag_s)
    signal_id, _ = await _dies_at(scene, Crashpoint.AFTER_REPLY)
    await scene.expect_alarm(IN_DOUBT)
    await _meanwhile(scene)
    await scene.mend()
    await scene.until_states(signal_id, AT_BROKER | _NOTHING_SENT, PROOF_S + 10)


@row(9, "SIGKILL reconciler half-way", followers=8)
async def killed_while_settling(scene: Scene) -> None:
    await scene.world.simulator.knob(
        outcome="act_then_fail",
        failure="drop",
        operations=["place"],
        visibility_lag_s=hidden_s(scene),
    )
    await scene.expect_alarm(IN_DOUBT)
    signal_id, _ = await _dies_at(scene, Crashpoint.SETTLING, nth=scene.dice.randint(1, 2))
    await scene.mend()
    await scene.until_states(signal_id, AT_BROKER, PROOF_S + 10)


@row(
    10,
    "SIGSTOP dispatcher for longer than a TTL, then SIGCONT",
    followers=8,
    size="TTL 4 s",
    whole=Whole(size="60 s, TTL 30 s", within_s=240),
)
async def frozen_for_longer_than_a_ttl(scene: Scene) -> None:
    await scene.world.simulator.knob(latency_ms=200, operations=["place"])
    scene.strikes(await _served_by(scene, _VICTIM))
    ttl_s, frozen_s = (30, 60) if scene.world.full else (4, 5)
    await scene.emit(scene.place_body(expires_in_s=ttl_s))
    await scene.pause(0, 0.15)
    scene.world.machine.freeze(_VICTIM)
    thaws_at = time.monotonic() + frozen_s
    await scene.emit(scene.place_body(scene.instruments[1], expires_in_s=ttl_s))
    await scene.pause(1, 2)
    taken_over = await scene.emit(scene.place_body(scene.instruments[2]))
    # The group gives its shards to the other replica meanwhile.
    await scene.until_states(taken_over, AT_BROKER, 20)
    await asyncio.sleep(thaws_at - time.monotonic())
    await scene.pause(0, 2)
    await scene.mend()


@row(30, "consumer group rebalance storm", followers=8)
async def members_come_and_go(scene: Scene) -> None:
    third, machine = scene.world.executor(2), scene.world.machine
    for _ in range(3):
        await machine.start([third])
        await scene.emit()
        await scene.pause(0, 0.5)
        await scene.emit(scene.place_body(scene.instruments[1]))
        if scene.dice.random() < 0.5:
            machine.kill(third.name)
        else:
            await machine.stop(third.name)
        await scene.emit(scene.place_body(scene.instruments[2]))
    machine.forget(third.name)
    await scene.mend()


@row(48, "SIGTERM during 200 in-flight orders, rolling restart under load", followers=50)
async def rolled_under_load(scene: Scene) -> None:
    await scene.world.simulator.knob(latency_ms=700, operations=["place"])
    load = asyncio.create_task(_load(scene))
    await scene.until_arrivals(200)
    for name in EXECUTORS:
        await scene.pause(0, 0.4)
        await scene.world.machine.restart(name)
        await scene.world.wait_for_owners()
    await load
    scene.fault_over()
    await scene.world.simulator.calm()
    await scene.mend()
    await scene.until_all_settled()
    ids = [o.order_id for o in await scene.world.ledger.orders(scene.signal_ids)]
    doubts = sum(step.state == "UNKNOWN" for step in await scene.world.ledger.history(ids))
    scene.check(doubts == 0, f"{doubts} orders were in doubt because of a polite restart")


async def _load(scene: Scene) -> None:
    """Emit for as long as the replicas are being restarted."""
    for turn in range(16):
        await scene.emit(scene.place_body(scene.instruments[turn % 3]))
        await asyncio.sleep(0.05 if turn < 5 else 0.8)


async def _dies_at(scene: Scene, point: Crashpoint, nth: int = 1) -> tuple[str, Sequence[Member]]:
    """Arm one replica, emit, and see it die; return the signal and whom it served."""
    served = await _served_by(scene, _VICTIM)
    scene.strikes(served)
    arm(scene.world.arming(_VICTIM), point, nth)
    signal_id = await scene.emit()
    if not await scene.world.machine.gone(_VICTIM, _DIES_WITHIN_S):
        raise Failed(f"the executor never passed {point}")
    scene.fault_over()
    return signal_id, served


def hidden_s(scene: Scene) -> float:
    """Keep an order out of sight for so long that a person ought to be told of the doubt."""
    return scene.dice.uniform(1.5, 2.5)


async def _served_by(scene: Scene, name: str) -> Sequence[Member]:
    """List the followers whose lane is in this replica; there is at least one."""
    shards = await scene.world.shards_of(name)
    served = [follower for follower in scene.followers if follower.shard in shards]
    if not served:
        raise Failed(f"no follower is served by {name}")
    return served


async def _meanwhile(scene: Scene) -> None:
    """Go on trading with one replica dead: how its neighbour's followers fare is I9."""
    for instrument in scene.instruments[1:3]:
        await scene.emit(scene.place_body(instrument))
        await scene.pause(0, 0.1)
