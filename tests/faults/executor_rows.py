"""Rows 4 to 10, 30 and 48: an executor dies, freezes, stops or joins in the middle of its work."""

from collections.abc import Sequence

from libs.runtime.crashpoints import Crashpoint
from tests.faults.armed import arm
from tests.faults.crowd import Member
from tests.faults.rows import row
from tests.faults.scene import Failed, Scene
from tests.faults.world import EXECUTORS

IN_DOUBT = "ORDERS_IN_DOUBT"
_VICTIM = EXECUTORS[0]
_DIES_WITHIN_S = 15


@row(5, "SIGKILL planner after commit, before offset commit", followers=8)
async def killed_after_plan(scene: Scene) -> None:
    await _dies_at(scene, Crashpoint.AFTER_PLAN_COMMIT)


@row(7, "SIGKILL while the request is on the wire", followers=8)
async def killed_on_the_wire(scene: Scene) -> None:
    served = await _served_by(scene, _VICTIM)
    await scene.world.simulator.knob(latency_ms=1500, operations=["place"])
    await scene.emit()
    await scene.until_arrivals(len(scene.followers))
    await scene.pause(0, 1)
    scene.world.machine.kill(_VICTIM)
    scene.fault_over()
    await scene.expect_alarm(IN_DOUBT)
    await scene.mend()
    scene.check(bool(served), "no follower was served by the victim")


async def _dies_at(scene: Scene, point: Crashpoint, nth: int = 1) -> str:
    """Arm one replica, emit, and see it die; return the signal."""
    if not await _served_by(scene, _VICTIM):
        raise Failed("no follower is served by the victim")
    arm(scene.world.arming(_VICTIM), point, nth)
    signal_id = await scene.emit()
    if not await scene.world.machine.gone(_VICTIM, _DIES_WITHIN_S):
        raise Failed(f"the executor never passed {point}")
    scene.fault_over()
    await scene.pause(0, 1)
    await scene.mend()
    return signal_id


async def _served_by(scene: Scene, name: str) -> Sequence[Member]:
    shards = await scene.world.shards_of(name)
    return [follower for follower in scene.followers if follower.shard in shards]
