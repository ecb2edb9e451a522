"""Orders per second over a minute, and what each order costs in CPU time, process by process."""

import time
from typing import Any

from tests.bench.bench import LARGEST, Bench
from tests.bench.crowd import Group
from tests.bench.usage import cpu_s, threads_s

_GROUPS = 4
_BROKER_MS = 5
# Signals whose orders have not all arrived yet: enough that the executor never waits for work.
_OUTSTANDING = 2
# Four signals in any window of 1.1 s: half of what an account may send.
_REST_S = 0.3
_WAIT_S = 60.0
# The first seconds fill the pipes and do not count.
_RAMP = 0.1


async def sustained(bench: Bench) -> None:
    """Keep one executor busy with signals to changing accounts."""
    seconds = bench.options.sustained_s
    bench.begin(f"sustained, {seconds} s")
    groups = [await bench.crowd.group(bench.master_id, LARGEST) for _ in range(_GROUPS)]
    # Afresh: it loads the new accounts and their sessions when it takes its shards.
    await bench.product.scale(1, bench.pool, afresh=True)
    for group in groups:
        await bench.meter.product(group, _BROKER_MS)
    pids = {**bench.product.pids(), "bare broker": bench.meter.broker.pid}
    executor = bench.product.executor_pid()
    before, threads_before = cpu_s(pids), threads_s(executor)
    began_ns = time.monotonic_ns()
    signal_ids = await _keep_busy(bench, groups, seconds)
    wanted = len(signal_ids) * LARGEST
    await bench.meter.broker.ask("wait", n=wanted, timeout_s=_WAIT_S)
    after, threads_after = cpu_s(pids), threads_s(executor)
    tape = await bench.meter.broker.ask("tape")
    skipped = await bench.meter.count_apart(signal_ids)
    if len(tape) + skipped != wanted:
        bench.meter.lost.append(
            f"sustained: {wanted} orders wanted, {len(tape)} came, {skipped} were skipped"
        )
    _note(bench, tape, began_ns, seconds)
    orders = max(len(tape), 1)
    for name in before.keys() & after.keys():
        used = (after[name] - before[name]) / orders * 1e6
        bench.figures.add(f"cpu_us_per_order_{name.replace(' ', '_').replace('-', '_')}", used)
    for name, was, now in zip(
        ("main_thread", "other_threads"), threads_before, threads_after, strict=True
    ):
        bench.figures.add(f"cpu_us_per_order_executor_{name}", (now - was) / orders * 1e6)
    bench.note("the load has ended, everything is filled")
    await bench.meter.fill(tape)
    await bench.check()
    bench.end(f"{bench.figures.median('sustained_orders_per_s') or 0:.0f} orders/s")


async def _keep_busy(bench: Bench, groups: list[Group], seconds: float) -> list[str]:
    await bench.meter.broker.ask("reset", delay_ms=_BROKER_MS)
    until = time.monotonic() + seconds
    emitted: list[str] = []
    while time.monotonic() < until:
        accepted = await bench.meter.emit(groups[len(emitted) % len(groups)], rest_s=_REST_S)
        emitted.append(accepted["signal_id"])
        wanted = (len(emitted) - _OUTSTANDING) * LARGEST
        if wanted > 0:
            arrived = await bench.meter.broker.ask("wait", n=wanted, timeout_s=_WAIT_S)
            if arrived < wanted:
                # Too late to be sent, or lost: the ledger will say.
                break
            bench.note(f"{arrived} orders")
    return emitted


def _note(bench: Bench, tape: list[list[Any]], began_ns: int, seconds: float) -> None:
    """Count what arrived between the ramp and the last signal, second by second for the spread."""
    counts: dict[int, int] = {}
    for _, _, at_ns, _ in tape:
        second = int((at_ns - began_ns) / 1e9)
        counts[second] = counts.get(second, 0) + 1
    for second in range(max(1, round(seconds * _RAMP)), int(seconds)):
        bench.figures.add("sustained_orders_per_s", counts.get(second, 0))
