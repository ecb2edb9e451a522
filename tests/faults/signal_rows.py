"""Rows 1 to 3: the signal service dies around its commit and its publishing."""

import uuid

import httpx

from libs.runtime.crashpoints import Crashpoint
from tests.faults.armed import arm
from tests.faults.rows import row
from tests.faults.scene import Failed, Scene

_SERVICE = "signal"
_GONE_WITHIN_S = 10


@row(1, "SIGKILL signal service before commit")
async def killed_before_commit(scene: Scene) -> None:
    body, key = scene.place_body(), uuid.uuid4().hex
    await _killed_at(scene, Crashpoint.BEFORE_SIGNAL_COMMIT, body, key)
    orders = await scene.world.ledger.fetch(
        "SELECT FROM signal.signals WHERE idempotency_key = $1", key
    )
    scene.check(not orders, "a signal that was not committed has a row")
    await scene.mend()
    answer = await scene.send(body, key=key)
    scene.check(answer.status_code == httpx.codes.ACCEPTED, "the same key did not create it")


@row(2, "SIGKILL signal service after commit, before reply")
async def killed_after_commit(scene: Scene) -> None:
    body, key = scene.place_body(), uuid.uuid4().hex
    await _killed_at(scene, Crashpoint.AFTER_SIGNAL_COMMIT, body, key)
    rows = await scene.world.ledger.fetch(
        "SELECT signal_id::text FROM signal.signals WHERE idempotency_key = $1", key
    )
    if len(rows) != 1:
        raise Failed(f"{len(rows)} rows after the commit")
    await scene.mend()
    answers = [await scene.send(body, key=key) for _ in range(2)]
    for answer in answers:
        same = answer.status_code == httpx.codes.ACCEPTED and answer.json() == answers[0].json()
        scene.check(same, f"the repetition was answered {answer.status_code}")
        scene.check(answer.json().get("signal_id") == rows[0]["signal_id"], "another signal_id")


@row(3, "SIGKILL outbox relay between publish and mark")
async def killed_between_publish_and_mark(scene: Scene) -> None:
    arm(scene.world.arming(_SERVICE), Crashpoint.AFTER_PUBLISH)
    # The reply may or may not leave before the publication dies with the process.
    body, key = scene.place_body(), uuid.uuid4().hex
    try:
        await scene.send(body, key=key, service=_SERVICE)
    except httpx.TransportError:
        scene.said.append("no reply")
    await _died(scene)
    await scene.mend()
    answer = await scene.send(body, key=key)
    scene.check(answer.status_code == httpx.codes.ACCEPTED, "the repetition was not accepted")


async def _killed_at(scene: Scene, point: Crashpoint, body: dict[str, object], key: str) -> None:
    """Send a signal straight to the service, which dies of it: no answer may come."""
    arm(scene.world.arming(_SERVICE), point)
    try:
        answer = await scene.send(body, key=key, service=_SERVICE)
    except httpx.TransportError:
        pass
    else:
        raise Failed(f"the service answered {answer.status_code} and should have died")
    await _died(scene)


async def _died(scene: Scene) -> None:
    if not await scene.world.machine.gone(_SERVICE, _GONE_WITHIN_S):
        raise Failed("the signal service passed the crash point and lives")
    scene.fault_over()
