"""Rows 11 to 23 and 25: a broker that fails, lies, hides, stalls or is not there."""

import asyncio
import json
from collections.abc import Sequence
from typing import Any

from tests.faults.armed import OVER_TLS
from tests.faults.case import AT_BROKER
from tests.faults.crowd import Member
from tests.faults.executor_rows import IN_DOUBT, hidden_s
from tests.faults.machine import memory_bytes
from tests.faults.rows import row
from tests.faults.scene import Scene
from tests.faults.strangers import listening, unvouched
from tests.faults.world import (
    ANSWER_TIMEOUT_S,
    BROKER,
    EVIDENCE_WINDOW_S,
    EXECUTORS,
    PROOF_S,
    SIMULATOR,
)

_AWAY = "BROKER_AWAY"
# The one name a paper account may meet; it is known only where containers have names.
_NAME, _ANY_PORT = SIMULATOR, 9
_UNREADABLE = "BROKER_ANSWER_UNREADABLE"
_ABSENT = frozenset({"NOT_PLACED"})
_MEMORY_MAX = 64 * 1024 * 1024


@row(11, "broker 500 after acting", followers=8)
async def fails_after_acting(scene: Scene) -> None:
    await _mistreated(scene, "act_then_fail", "status_500", AT_BROKER)


@row(12, "broker 500 without acting", followers=8)
async def fails_before_acting(scene: Scene) -> None:
    await _mistreated(scene, "fail_before_act", "status_500", _ABSENT)


@row(13, "read timeout after acting", followers=8)
async def hangs_after_acting(scene: Scene) -> None:
    await _mistreated(scene, "act_then_fail", "hang", AT_BROKER)


@row(14, "TCP RST after the request was read", followers=8)
async def resets_the_line(scene: Scene) -> None:
    struck = _half(scene)
    acted, not_acted = struck[::2], struck[1::2]
    await scene.expect_alarm(IN_DOUBT)
    for group, outcome in ((acted, "act_then_fail"), (not_acted, "fail_before_act")):
        for follower in group:
            await _fail(scene, outcome, "rst", follower.client_id, visibility_lag_s=hidden_s(scene))
    signal_id = await scene.emit()
    await scene.until_arrivals(len(scene.followers))
    await scene.mend()
    await scene.until_states(signal_id, AT_BROKER | _ABSENT, PROOF_S)
    here = {o.account_id: o.state for o in await scene.world.ledger.orders([signal_id])}
    for follower in acted:
        scene.check(here[follower.account_id] != "NOT_PLACED", "an order was not linked")
    for follower in not_acted:
        scene.check(here[follower.account_id] == "NOT_PLACED", "an order was invented")


@row(15, "connection refused, name unknown, no TLS, bad certificate", within_s=180)
async def cannot_be_reached(scene: Scene) -> None:
    await _refused(scene)
    if await _resolves(_NAME):
        scene.said.append(f"{_NAME} resolves here: an unknown name was not tried")
    else:
        await _unknown_by_name(scene)
    await _not_vouched_for(scene)
    await scene.mend()


async def _refused(scene: Scene) -> None:
    world = scene.world
    await scene.expect_alarm(_AWAY)
    # The listener that an executor sees is the wire's; behind it the broker is gone too.
    await world.wires.refuse("simulator")
    world.machine.kill(SIMULATOR)
    await _held_then_sent(scene, scene.instruments[0])


async def _unknown_by_name(scene: Scene) -> None:
    await scene.expect_alarm(_AWAY)
    await scene.world.restart_executors(SIMULATOR_URLS=_simulator_at(f"{_NAME}:{_ANY_PORT}"))
    await _held_then_sent(scene, scene.instruments[1])


async def _not_vouched_for(scene: Scene) -> None:
    """Let one replica meet a server without TLS, the other one with a certificate of its own."""
    await scene.expect_alarm(_AWAY)
    async with listening() as (no_tls, _), unvouched() as (bad, heard):
        own = {
            number: {"SIMULATOR_URLS": _simulator_at(f"127.0.0.1:{port}")}
            for number, port in enumerate((no_tls, bad))
        }
        await scene.world.restart_executors(OVER_TLS, own=own)
        await _held_then_sent(scene, scene.instruments[2])
    scene.check(not any(heard), "a certificate that nobody vouches for was believed")


async def _held_then_sent(scene: Scene, instrument: str) -> None:
    """See that orders are held, with proof that nothing left, and go once the broker is there."""
    signal_id = await scene.emit(scene.place_body(instrument, expires_in_s=60))
    await scene.until_states(signal_id, {"HELD"}, 15)
    await scene.pause(2, 4)
    states = set(await scene.states(signal_id))
    scene.check(states <= {"HELD", "PLANNED", "SENDING"}, f"nobody was reached, and {states}")
    scene.fault_over()
    await scene.world.mend()
    await scene.until_states(signal_id, AT_BROKER, 25)


def _simulator_at(address: str) -> str:
    return json.dumps({BROKER: f"http://{address}"})


async def _resolves(name: str) -> bool:
    try:
        await asyncio.get_running_loop().getaddrinfo(name, None)
    except OSError:
        return False
    return True


@row(16, "half-open connection")
async def is_half_open(scene: Scene) -> None:
    await scene.expect_alarm(IN_DOUBT)
    # A request on each line first: what is silenced afterwards is a connection that stood.
    await scene.until_states(await scene.emit(), AT_BROKER)
    await scene.world.wires.silence("simulator")
    signal_id = await scene.emit(scene.place_body(scene.instruments[1]))
    await scene.until_states(signal_id, {"UNKNOWN"}, ANSWER_TIMEOUT_S + 5)
    await scene.world.wires.mend(late=scene.dice.random() < 0.5)
    await scene.mend()
    await scene.until_states(signal_id, AT_BROKER | _ABSENT, PROOF_S)


@row(17, "slow-loris reply, 1 byte/s", followers=6)
async def drips(scene: Scene) -> None:
    slow, others = scene.followers[:2], scene.followers[2:]
    scene.strikes(slow)
    await scene.expect_alarm(IN_DOUBT)
    for follower in slow:
        lag_s = ANSWER_TIMEOUT_S + hidden_s(scene)
        await _fail(
            scene, "act_then_fail", "slow_loris", follower.client_id, visibility_lag_s=lag_s
        )
    signal_id = await scene.emit()
    await scene.until_arrivals(len(scene.followers))
    await asyncio.sleep(ANSWER_TIMEOUT_S / 2)
    orders = await scene.world.ledger.orders([signal_id])
    done = {order.account_id for order in orders if order.state in AT_BROKER}
    scene.check(done >= {f.account_id for f in others}, "others waited for the slow ones")
    await scene.mend()
    await scene.until_states(signal_id, AT_BROKER, PROOF_S)


@row(18, "HTML “Request Rejected” with 200", followers=8)
async def answers_a_page(scene: Scene) -> None:
    await scene.expect_alarm(_UNREADABLE)
    await _mistreated(scene, _either(scene), "html", AT_BROKER | _ABSENT)


@row(19, "truncated JSON, huge body, gzip bomb, garbage", followers=16)
async def answers_monsters(scene: Scene) -> None:
    await scene.expect_alarm(IN_DOUBT)
    pids = [scene.world.machine.pid(name) for name in EXECUTORS]
    before = [memory_bytes(pid) for pid in pids]
    for at, follower in enumerate(_half(scene)):
        failure = ("truncated", "huge", "gzip_bomb", "garbage")[at % 4]
        size = {"huge_mib": 1024} if failure == "huge" else {}
        await _fail(
            scene,
            _either(scene),
            failure,
            follower.client_id,
            visibility_lag_s=hidden_s(scene),
            **size,
        )
    signal_id = await scene.emit()
    await scene.until_arrivals(len(scene.followers))
    await scene.until_states(signal_id, {"UNKNOWN", *AT_BROKER, *_ABSENT}, ANSWER_TIMEOUT_S + 5)
    grown = max(memory_bytes(pid) - was for pid, was in zip(pids, before, strict=True))
    scene.check(grown < _MEMORY_MAX, f"an executor grew by {grown / 2**20:.0f} MiB")
    await scene.mend()
    await scene.until_states(signal_id, AT_BROKER | _ABSENT, PROOF_S)


@row(20, "success reply without order id", followers=8)
async def forgets_the_order_id(scene: Scene) -> None:
    await _mistreated(scene, "act_then_fail", "no_order_id", AT_BROKER)


@row(21, "unknown error code", followers=8)
async def answers_a_new_code(scene: Scene) -> None:
    await scene.expect_alarm(_UNREADABLE)
    await _mistreated(scene, _either(scene), "unknown_code", AT_BROKER | _ABSENT)


@row(22, "redirect 307 to another host", followers=8)
async def redirects(scene: Scene) -> None:
    await scene.expect_alarm(_UNREADABLE)
    async with listening() as (port, heard):
        address = f"http://127.0.0.1:{port}"
        await _mistreated(
            scene, _either(scene), "redirect", AT_BROKER | _ABSENT, redirect_to=address
        )
    scene.check(not heard, f"{len(heard)} requests followed the redirect")


@row(23, "order visible in the book only late in the evidence window")
async def hides_the_order(scene: Scene) -> None:
    lag_s = ANSWER_TIMEOUT_S + EVIDENCE_WINDOW_S * scene.dice.uniform(0.5, 0.7)
    await scene.expect_alarm(IN_DOUBT)
    await _fail(scene, "act_then_fail", "drop", visibility_lag_s=lag_s)
    # It rests: what was executed shows in trades and positions.
    signal_id = await scene.emit(scene.place_body(away="0.98"))
    await scene.until_arrivals(len(scene.followers))
    await scene.mend()
    await asyncio.sleep(lag_s - 1)
    states = set(await scene.states(signal_id))
    scene.check(states == {"UNKNOWN"}, f"nothing was to be seen, and the orders are {states}")
    await scene.until_states(signal_id, AT_BROKER, PROOF_S)


@row(25, "order appears after NOT_PLACED")
async def appears_late(scene: Scene) -> None:
    lag_s = PROOF_S + scene.dice.uniform(2, 4)
    await _fail(scene, "act_then_fail", "drop", visibility_lag_s=lag_s)
    # It rests: what was executed shows in trades and positions.
    signal_id = await scene.emit(scene.place_body(away="0.98"))
    await scene.until_arrivals(len(scene.followers))
    await scene.mend()
    await scene.until_states(signal_id, {"NOT_PLACED"}, PROOF_S)
    await scene.expect_alarm("ORDER_APPEARED_LATE", clears=False)
    await scene.until_states(signal_id, AT_BROKER, lag_s + 15)


async def _mistreated(
    scene: Scene, outcome: str, failure: str, ends: frozenset[str], **settings: Any
) -> None:
    """Let the broker fail half of the followers in this way; their orders must end as told."""
    await scene.expect_alarm(IN_DOUBT)
    lag_s = hidden_s(scene) + (ANSWER_TIMEOUT_S if failure == "hang" else 0)
    struck = _half(scene)
    for follower in struck:
        await _fail(scene, outcome, failure, follower.client_id, visibility_lag_s=lag_s, **settings)
    signal_id = await scene.emit()
    await scene.until_arrivals(len(scene.followers))
    await scene.pause(0, 0.3)
    await scene.mend()
    # None of these answers is a refusal.
    await scene.until_states(signal_id, ends - {"REJECTED"}, PROOF_S, of=struck)


def _half(scene: Scene) -> Sequence[Member]:
    """Choose whom the broker mistreats; the other half it serves well."""
    struck = scene.followers[: len(scene.followers) // 2]
    scene.strikes(struck)
    return struck


async def _fail(
    scene: Scene, outcome: str, failure: str, client_id: str | None = None, **settings: Any
) -> None:
    await scene.world.simulator.knob(
        outcome=outcome, failure=failure, client_id=client_id, operations=["place"], **settings
    )


def _either(scene: Scene) -> str:
    return scene.dice.choice(["act_then_fail", "fail_before_act"])
