"""How a run of a row begins: a strategy of its own, followers, a trade in peace, a snapshot."""

import asyncio
import random
import uuid
from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal

from deploy.local.visitor import Visitor
from tests.faults.crowd import Member
from tests.faults.evidence import arrivals_of
from tests.faults.isolation import Isolation, times_of
from tests.faults.scene import Scene
from tests.faults.secrecy import Secrets
from tests.faults.world import World

_AT_ONCE = 8
_INSTRUMENTS = 4
# The first warms the lanes up and is not measured.
_CALM_SIGNALS = 4
_CALM_WITHIN_S = 20
_FILLED = frozenset({"FILLED"})


async def open_scene(
    world: World, number: int, dice: random.Random, secrets: Secrets, count: int
) -> Scene:
    """Give a row a strategy of its own, and followers who have not traded for the longest."""
    # The last one is nobody's: a row may do to it what a master cannot trade after.
    master = world.crowd.masters[number % (len(world.crowd.masters) - 1)]
    followers = world.take(count)
    strategy_id = await _followed(world, f"Row {number}", master, followers)
    # Whole rupees are a fine enough limit for these, and a few shares are no fortune.
    names = sorted(
        name
        for name, price in world.prices.items()
        if name.startswith("NSE:") and 300 < Decimal(price) < 3000
    )
    first = number * 3 % len(names)
    names = [*names[first:], *names[:first]]
    secrets.begin()
    scene = Scene(
        world=world,
        number=number,
        dice=dice,
        secrets=secrets,
        master=master,
        followers=followers,
        strategy_id=strategy_id,
        instruments=names[_INSTRUMENTS : _INSTRUMENTS + 1],
        began_at=await world.ledger.now(),
        cursor=await world.simulator.cursor(),
        net_books={},
        net_ours={},
        stood_before=frozenset(),
    )
    calm = await _calm_trade(scene)
    return await _snapshot(replace(scene, instruments=names[:_INSTRUMENTS], isolation=calm))


async def follow(world: World, member: Member, strategy_id: str, value: str = "1") -> None:
    """Follow through the product's own route."""
    async with Visitor(world.stack.address, member.cookie) as visitor:
        body = {
            "strategy_id": strategy_id,
            "account_id": member.account_id,
            "sizing": {"mode": "MULTIPLIER", "value": value},
        }
        await visitor.call("POST", "/follows", body)


async def _followed(world: World, name: str, master: Member, followers: Sequence[Member]) -> str:
    async with Visitor(world.stack.address, master.cookie) as visitor:
        body = {"name": f"{name} {uuid.uuid4().hex[:8]}"}
        strategy_id = str((await visitor.call("POST", "/strategies", body))["strategy_id"])
    turns = asyncio.Semaphore(_AT_ONCE)

    async def one(member: Member) -> None:
        async with turns:
            await follow(world, member, strategy_id)

    await asyncio.gather(*map(one, followers))
    return strategy_id


async def _calm_trade(scene: Scene) -> Isolation:
    """Trade before anything is broken: what I9 compares with, and proof that all is well."""
    for _ in range(_CALM_SIGNALS):
        signal_id = await scene.emit()
        await scene.until_states(signal_id, _FILLED, _CALM_WITHIN_S)
    accounts = {follower.account_id for follower in scene.followers}
    orders = await scene.world.ledger.orders(scene.signal_ids[1:])
    arrivals = arrivals_of(await scene.world.simulator.entries(scene.cursor))
    return Isolation(calm_ms=times_of(orders, arrivals, accounts)[0])


async def _snapshot(scene: Scene) -> Scene:
    """Begin anew from here: what was traded in peace is judged at the end of the whole run."""
    world = scene.world
    clients = {f.account_id: f.client_id for f in scene.followers}
    began_at = await world.ledger.now()
    return replace(
        scene,
        signals=[],
        began_at=began_at,
        cursor=await world.simulator.cursor(),
        net_books=await world.simulator.net(clients),
        net_ours=await world.ledger.net(list(clients)),
        stood_before=frozenset(
            alarm
            for alarm in await world.ledger.alarms(began_at)
            if alarm.subject.startswith(("order:", "account:"))
        ),
    )
