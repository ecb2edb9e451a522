"""SIGKILL of one executor in the middle of a fan-out to two hundred followers."""

import asyncio
import os
import signal
import time

from deploy.local.demo.day import Day
from deploy.local.demo.evidence import Simulator
from deploy.local.follows import MOMENTUM
from deploy.local.problems import Problem
from deploy.local.services import executor_name
from deploy.local.stack import Stack

FOLLOWERS = 200
_INSTRUMENT = "NSE:SBIN"
_LATENCY_MS = 400
_AT_WORK = frozenset({"PLANNED", "HELD", "SENDING"})
_SENT_BEFORE = 30
_SETTLED_WITHIN_S = 120


async def kill_in_the_middle(day: Day, stack: Stack, broker: str) -> str:
    """Emit a signal to everybody, kill a replica once orders flow, wait until all is settled."""
    victim = executor_name(broker, 0)
    process = stack.supervisor.pids()[victim]
    await day.simulator.slow_down(_LATENCY_MS)
    try:
        before = await day.simulator.cursor()
        terms = {"order_type": "MARKET", "quantity": 8}
        body = {"action": "PLACE", "side": "BUY", "product": "INTRADAY", "terms": terms}
        signal_id = await day.emit(MOMENTUM, _INSTRUMENT, body, f"MARKET 8 {_INSTRUMENT}")
        await _orders_flow(day.simulator, before)
        os.kill(process, signal.SIGKILL)
        states = await day.ledger.states(signal_id)
        at_work = sum(state in _AT_WORK for _, state in states)
        stack.screen.say(f"Killed {victim} with {at_work} of {FOLLOWERS} orders on their way")
    finally:
        await day.simulator.slow_down(0)
    await day.settled(signal_id, within_s=_SETTLED_WITHIN_S)
    return victim


async def _orders_flow(simulator: Simulator, after: int) -> None:
    deadline = time.monotonic() + 20
    while len(await simulator.created(after)) < _SENT_BEFORE:
        if time.monotonic() > deadline:
            raise Problem("No fan-out to interrupt", "Read the logs of the executors (run/log)")
        await asyncio.sleep(0.005)
