"""Row 47: a person stops entries while they are leaving."""

import asyncio
from datetime import datetime, timedelta
from urllib.parse import urlencode

from deploy.local.visitor import Visitor
from tests.faults.case import AT_BROKER, OVER
from tests.faults.evidence import arrivals_of
from tests.faults.rows import Whole, row
from tests.faults.scene import Scene
from tests.faults.world import BROKER

_EFFECTIVE_WITHIN = timedelta(seconds=1)
_ORDERS = 1000
_LATENCY_MS = 200
# By two replicas: about five seconds for a thousand orders.
_IN_FLIGHT_MAX = 20
_REASON = "a fault test stops everything"


@row(
    47,
    "kill switch flipped in mid fan-out of 1,000",
    followers=50,
    within_s=150,
    size="20 signals to 50 accounts",
    whole=Whole(size="1,000 accounts", followers=_ORDERS, within_s=400),
)
async def stopped_by_hand(scene: Scene) -> None:
    world = scene.world
    resting = await scene.emit(scene.place_body(away="0.97"))
    await scene.until_states(resting, {"OPEN"}, 30)
    await world.restart_executors(EXECUTOR_IN_FLIGHT_MAX=str(_IN_FLIGHT_MAX))
    await world.wait_for_owners()
    await world.simulator.knob(latency_ms=_LATENCY_MS, operations=["place"])
    before = await _placed(scene)
    scope, subject = _whom(scene)
    fan_out = asyncio.create_task(_fan_out(scene))
    try:
        await scene.until_arrivals(before + scene.dice.randint(_ORDERS // 10, _ORDERS // 2))
        await _switch(scene, "PUT", scope, subject)
        stopped = [*await fan_out, await scene.emit()]
        await scene.emit(scene.change_body("CANCEL", resting))
        await scene.until_states(resting, OVER, 20)
        for signal_id in stopped:
            await scene.until_states(signal_id, AT_BROKER | {"SKIPPED"}, 40)
        await _nothing_left_late(scene, stopped, scope, subject)
    finally:
        fan_out.cancel()
        await _switch(scene, "DELETE", scope, subject)
    await scene.mend()


def _whom(scene: Scene) -> tuple[str, str]:
    """Choose what is stopped: each of these has the row's orders in it."""
    subjects = {
        "PLATFORM": "",
        "BROKER": BROKER,
        "MASTER": scene.master.user_id,
        "STRATEGY": scene.strategy_id,
    }
    scope = scene.dice.choice(list(subjects))
    return scope, subjects[scope]


async def _fan_out(scene: Scene) -> list[str]:
    signals = _ORDERS // len(scene.followers)
    return [await scene.emit(scene.place_body(scene.instruments[1])) for _ in range(signals)]


async def _nothing_left_late(scene: Scene, stopped: list[str], scope: str, subject: str) -> None:
    """Hold every commit that let an entry go against the moment of the switch."""
    ledger = scene.world.ledger
    rows = await ledger.fetch(
        "SELECT changed_at FROM executor.kill_switches WHERE scope = $1 AND subject = $2 AND is_on",
        scope,
        subject,
    )
    flipped_at: datetime = rows[0]["changed_at"]
    orders = await ledger.orders(stopped)
    steps = await ledger.history([order.order_id for order in orders])
    late = [
        step
        for step in steps
        if step.state == "SENDING" and step.committed_at > flipped_at + _EFFECTIVE_WITHIN
    ]
    scene.check(not late, f"{len(late)} orders were sent over a second after the switch")
    sent = sum(order.state in AT_BROKER for order in orders)
    reasons = {order.reason for order in orders if order.state == "SKIPPED"}
    scene.check(0 < sent < _ORDERS, f"{sent} of {_ORDERS} were sent: that was no middle")
    scene.check(reasons == {"KILL"}, f"what was stopped was skipped because of {reasons}")
    newest = [order.state for order in orders if order.signal_id == stopped[-1]]
    scene.check(set(newest) == {"SKIPPED"}, f"a signal after the switch: {set(newest)}")
    cancels = [a for a in await _arrivals(scene) if a == "cancel"]
    scene.check(len(cancels) >= len(scene.followers), f"{len(cancels)} cancels arrived")
    sending = [step.committed_at for step in steps if step.state == "SENDING"]
    after_s = max(0.0, (max(sending) - flipped_at).total_seconds())
    scene.said.append(
        f"{scope} stopped, {sent} sent, the last let go {after_s:.2f} s after the switch"
    )


async def _switch(scene: Scene, method: str, scope: str, subject: str) -> None:
    operator = scene.world.crowd.operators[0]
    words = {"scope": scope, "subject": subject, "reason": _REASON}
    async with Visitor(scene.world.stack.address, operator.cookie) as visitor:
        if method == "PUT":
            await visitor.call("PUT", "/kill-switches", words)
        else:
            await visitor.call("DELETE", f"/kill-switches?{urlencode(words)}")


async def _placed(scene: Scene) -> int:
    return (await _arrivals(scene)).count("place")


async def _arrivals(scene: Scene) -> list[str]:
    entries = await scene.world.simulator.entries(scene.cursor)
    return [arrival.operation for arrival in arrivals_of(entries)]
