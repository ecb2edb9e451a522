"""What a row that failed leaves behind: one file, in order of time, for whoever seeks the cause."""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from tests.faults.evidence import arrivals_of
from tests.faults.scene import Scene


async def keep_story(scene: Scene, violations: Sequence[str]) -> Path:
    """Write what ledger, journal and alarms say of the row's signals; return where."""
    ledger = scene.world.ledger
    orders = {order.order_id: order for order in await ledger.orders(scene.signal_ids)}
    lines: list[tuple[datetime, str]] = []
    for step in await ledger.history(list(orders)):
        order = orders[step.order_id]
        lines.append((step.at, f"ledger   {order.tag} v{step.version} {step.state}"))
    clients = {follower.account_id: follower.client_id for follower in scene.followers}
    for arrival in arrivals_of(await scene.world.simulator.entries(scene.cursor)):
        if arrival.client_id in clients.values():
            words = f"{arrival.operation} {arrival.tag or ''} {arrival.status}"
            words += f" of {arrival.client_id}{'' if arrival.answered else ', unanswered'}"
            lines.append((arrival.at, f"journal  {words}"))
    for alarm in await ledger.alarms(scene.began_at):
        cleared = f", cleared {alarm.cleared_at:%H:%M:%S.%f}" if alarm.cleared_at else ""
        lines.append((alarm.opened_at, f"alarm    {alarm.name} of {alarm.subject}{cleared}"))
    told = [
        *violations,
        "",
        *(
            f"{order.tag} of {clients.get(order.account_id)} ends {order.state} {order.reason}"
            for order in orders.values()
        ),
        "",
        *(f"{at:%H:%M:%S.%f} {words}" for at, words in sorted(lines)),
    ]
    folder = scene.world.stack.layout.state / "failed"
    folder.mkdir(exist_ok=True)
    file = folder / f"row-{scene.number}-{scene.began_at:%H%M%S}.txt"
    file.write_text("\n".join(told) + "\n")
    return file
