"""Runs the machine for so many steps, in rounds of one seed each, bounded by steps and by time."""

import re
import time
from dataclasses import dataclass

from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.model import machine
from tests.model.played import quiet_and_virtual

STEPS_PER_EXAMPLE = 100
EXAMPLES_PER_ROUND = 25
# The judging that hypothesis prints between the steps; a script judges by itself.
_NOISE = re.compile(r"^state\.everything_holds\(\)\n", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Done:
    steps: int
    rounds: int
    seconds: float


class Found(AssertionError):
    """The machine found something; the message carries the seed and the steps."""


def run(first_seed: int, steps: int, seconds: float, *, shrink: bool = True) -> Done:
    """Run until `steps` are done or `seconds` are over. Raise `Found` with the failing steps."""
    began_at, steps_before = time.monotonic(), machine.steps_done[0]
    rounds = done = 0
    with quiet_and_virtual():
        while done < steps and time.monotonic() - began_at < seconds:
            _round(first_seed + rounds, steps - done, shrink=shrink)
            rounds += 1
            done = machine.steps_done[0] - steps_before
    return Done(steps=done, rounds=rounds, seconds=time.monotonic() - began_at)


def share(first_seed: int, steps: int, seconds: float) -> Done | str:
    """Run one process's share; a text is what was found."""
    try:
        return run(first_seed, steps, seconds)
    except Found as found:
        return str(found)


def _round(number: int, steps: int, *, shrink: bool) -> None:
    """Run one seed; by it, the round can be run again alone."""
    # A class of its own, because hypothesis writes the seed on it.
    subject = seed(number)(type("CopyTrading", (machine.CopyTrading,), {}))
    options = settings(
        max_examples=max(1, min(EXAMPLES_PER_ROUND, steps // STEPS_PER_EXAMPLE)),
        stateful_step_count=STEPS_PER_EXAMPLE,
        deadline=None,
        database=None,
        phases=(Phase.generate, Phase.shrink) if shrink else (Phase.generate,),
        suppress_health_check=list(HealthCheck),
        print_blob=False,
    )
    try:
        run_state_machine_as_test(subject, settings=options)
    except AssertionError as error:
        script = "\n".join(getattr(error, "__notes__", []))
        raise Found(f"MODEL_SEED={number}\n{error}\n{_NOISE.sub('', script)}") from error
