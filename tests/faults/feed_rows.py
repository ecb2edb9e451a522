"""Rows 40 and 41: the order feed drops, repeats itself, runs backwards and tells of strangers."""

import asyncio
from decimal import Decimal

from tests.faults.case import AT_BROKER
from tests.faults.rows import row
from tests.faults.scene import Scene

_OUT_S = 8


@row(40, "order stream drops with fills missed")
async def drops(scene: Scene) -> None:
    simulator, name = scene.world.simulator, scene.instruments[0]
    resting = await scene.emit(scene.place_body(name, away="0.99"))
    await scene.until_states(resting, {"OPEN"})
    await scene.expect_alarm("FEED_DOWN")
    await simulator.ask("POST", "feed/drop", {"for_s": _OUT_S})
    await scene.pause(0.2, 1)
    await _fills_at(scene, name, "0.985")
    await scene.pause(_OUT_S, _OUT_S + 1)
    await scene.mend()
    # The book is read again once the line stands: nothing was told twice, nothing missed.
    await scene.until_states(resting, {"FILLED"}, 20)
    await simulator.ask("PUT", "price", {"instrument": name, "price": scene.world.prices[name]})


@row(41, "stream out of order, repeated, and with foreign orders")
async def talks_nonsense(scene: Scene) -> None:
    simulator, name = scene.world.simulator, scene.instruments[0]
    resting = await scene.emit(scene.place_body(name, quantity=10, away="0.99"))
    await scene.until_states(resting, {"OPEN"})
    steps = [{"percent": share, "after_s": 0.2} for share in (30, 30, 40)]
    await simulator.ask(
        "POST",
        "fills",
        {"steps": steps, "orders": len(scene.followers), "instrument": name},
    )
    replays = asyncio.create_task(_replayed(scene))
    await scene.emit(scene.place_body(scene.instruments[1]))
    await _fills_at(scene, name, "0.985")
    for follower in scene.followers:
        for side in ("BUY", "SELL"):
            order = await simulator.ask(
                "POST",
                "foreign-order",
                {
                    "client_id": follower.client_id,
                    "instrument": scene.instruments[2],
                    "side": side,
                    "quantity": scene.dice.randint(1, 5) if side == "BUY" else 1,
                },
            )
            scene.note_foreign(order["order_id"])
    await replays
    await scene.mend()
    await scene.until_states(resting, {"FILLED"}, 20)
    await simulator.ask("PUT", "price", {"instrument": name, "price": scene.world.prices[name]})
    orders = await scene.world.ledger.orders(scene.signal_ids)
    scene.check(
        all(order.state in AT_BROKER for order in orders), "an order is not where the broker is"
    )


async def _replayed(scene: Scene) -> None:
    for turn in range(6):
        order = "reversed" if turn % 2 else "same"
        await scene.world.simulator.ask("POST", "feed/replay", {"order": order, "times": 2})
        await scene.pause(0.1, 0.4)


async def _fills_at(scene: Scene, name: str, factor: str) -> None:
    price = (Decimal(scene.world.prices[name]) * Decimal(factor)).to_integral_value()
    await scene.world.simulator.ask("PUT", "price", {"instrument": name, "price": str(price)})
