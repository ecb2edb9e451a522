"""Rows 11 to 25: a broker that fails, lies, hides, stalls or is not there."""

from tests.faults.executor_rows import IN_DOUBT
from tests.faults.rows import row
from tests.faults.scene import Scene
from tests.faults.world import ANSWER_TIMEOUT_S, EVIDENCE_WINDOW_S

_LINKED = {"OPEN", "FILLED", "ACKED"}


@row(11, "broker 500 after acting")
async def fails_after_acting(scene: Scene) -> None:
    await scene.world.simulator.knob(
        outcome="act_then_fail", failure="http_500", operations=["place"]
    )
    await scene.expect_alarm(IN_DOUBT)
    signal_id = await scene.emit()
    await scene.until_arrivals(len(scene.followers))
    await scene.mend()
    await scene.until_states(signal_id, _LINKED)


@row(12, "broker 500 without acting")
async def fails_before_acting(scene: Scene) -> None:
    await scene.world.simulator.knob(
        outcome="fail_before_act", failure="http_500", operations=["place"]
    )
    await scene.expect_alarm(IN_DOUBT)
    signal_id = await scene.emit()
    await scene.until_arrivals(len(scene.followers))
    await scene.mend()
    await scene.until_states(
        signal_id, {"NOT_PLACED"}, ANSWER_TIMEOUT_S + 2 * EVIDENCE_WINDOW_S + 5
    )
