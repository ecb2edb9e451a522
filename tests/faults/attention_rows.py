"""Row 24: the broker shows no tags and two orders look alike, so a person has to decide."""

from typing import Any

from deploy.local.visitor import Visitor
from tests.faults.armed import TAGS_NOT_ECHOED
from tests.faults.case import AT_BROKER
from tests.faults.crowd import Member
from tests.faults.evidence import arrivals_of
from tests.faults.rows import row
from tests.faults.scene import Scene
from tests.faults.world import PROOF_S

_ATTENTION = "NEEDS_ATTENTION"
_LOST_AFTER_MS = 1000
_TERMS = (
    "instrument", "side", "product", "validity", "order_type", "quantity", "limit_price",
    "trigger_price",
)  # fmt: skip


@row(24, "tag not echoed, two equal orders", followers=2, within_s=150)
async def looks_alike(scene: Scene) -> None:
    world, simulator = scene.world, scene.world.simulator
    await world.restart_executors(TAGS_NOT_ECHOED)
    await world.wait_for_owners()
    twin, single = scene.followers
    await simulator.knob(id="tags", echo_tags=False)
    # The order stands while its answer is still to be lost: time for one that looks like it.
    await simulator.knob(
        id="lost",
        latency_ms=_LOST_AFTER_MS,
        outcome="act_then_fail",
        failure="drop",
        operations=["place"],
        requests=2,
    )
    await scene.expect_alarm(_ATTENTION)
    signal_id = await scene.emit()
    await scene.until_arrivals(2)
    foreign = await simulator.ask("POST", "foreign-order", await _like_ours(scene, twin))
    scene.note_foreign(foreign["order_id"])

    async def decided() -> bool:
        states = {o.account_id: o.state for o in await world.ledger.orders([signal_id])}
        linked = states.get(single.account_id) in AT_BROKER
        return linked and states[twin.account_id] == _ATTENTION

    await scene.until("one order is linked, the other waits for a person", decided, PROOF_S + 5)
    await _lane_is_frozen(scene)
    await _linked_by_operator(scene, signal_id, twin.account_id)
    await scene.mend()


async def _like_ours(scene: Scene, member: Member) -> dict[str, Any]:
    """Describe an order that equals ours in every term, as the broker has it."""
    simulator = scene.world.simulator
    entries = await simulator.entries(scene.cursor)
    (ours,) = [
        entry["order_id"]
        for entry in entries
        if entry["kind"] == "order" and entry["client_id"] == member.client_id
    ]
    orders = (await simulator.book(member.client_id))["orders"]
    (order,) = [order for order in orders if order["order_id"] == ours]
    terms = {name: order[name] for name in _TERMS if order.get(name) is not None}
    return {"client_id": member.client_id, **terms}


async def _lane_is_frozen(scene: Scene) -> None:
    """See that nothing more is entered in this instrument for this account."""
    twin = scene.followers[0]
    before = await _places_of(scene, twin.client_id)
    signal_id = await scene.emit(scene.place_body(expires_in_s=2))
    await scene.until_states(signal_id, AT_BROKER | {"SKIPPED"}, 10)
    after = await _places_of(scene, twin.client_id)
    scene.check(before == after, "an entry left although one in the same instrument is unclear")


async def _linked_by_operator(scene: Scene, signal_id: str, account_id: str) -> None:
    """Decide as a person would: our order is the one the journal has with our tag."""
    world = scene.world
    orders = {o.account_id: o for o in await world.ledger.orders([signal_id])}
    ours = orders[account_id]
    entries = await world.simulator.entries(scene.cursor)
    (there,) = [e["order_id"] for e in entries if e["kind"] == "order" and e["tag"] == ours.tag]
    body = {
        "decision": "LINK",
        "broker_order_id": there,
        "version": ours.version,
        "reason": "the broker's journal shows our tag on it",
    }
    first, second = world.crowd.operators
    async with Visitor(world.stack.address, first.cookie) as visitor:
        path = f"/attention/{ours.order_id}/decisions"
        decision = await visitor.call("POST", path, body)
    if decision["state"] == "PROPOSED":
        async with Visitor(world.stack.address, second.cookie) as visitor:
            path = f"/attention/decisions/{decision['decision_id']}/confirm"
            await visitor.call("POST", path)

    async def linked() -> bool:
        found = await world.ledger.orders([signal_id])
        return all(order.state in AT_BROKER for order in found)

    await scene.until("the linked order stands as the broker has it", linked, 15)


async def _places_of(scene: Scene, client_id: str) -> int:
    arrivals = arrivals_of(await scene.world.simulator.entries(scene.cursor))
    return sum(a.operation == "place" and a.client_id == client_id for a in arrivals)
