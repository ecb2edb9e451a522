"""How a failure becomes a test: paste the steps hypothesis printed under `with played() as state:`.

Steps and their names are those of the machine; everything is judged after each, as there.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any, cast

import structlog

from tests.model.machine import CopyTrading
from tests.model.virtual_time import virtual_clocks

_CRITICAL = 50


class _Judged:
    """The machine, judged after every step that is called on it."""

    def __init__(self, machine: CopyTrading) -> None:
        self._machine = machine

    def __getattr__(self, name: str) -> Any:
        step: Callable[..., None] = getattr(self._machine, name)
        if name.startswith("_") or not callable(step):
            return step

        @wraps(step)
        def judged(**arguments: object) -> None:
            step(**arguments)
            self._machine.world.check()

        return judged


@contextmanager
def quiet_and_virtual() -> Iterator[None]:
    """Let the product run on the virtual clock, without its log."""
    before = structlog.get_config()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(_CRITICAL))
    try:
        with virtual_clocks():
            yield
    finally:
        structlog.configure(**before)


@contextmanager
def played() -> Iterator[CopyTrading]:
    """Play a script; at its end all troubles end, and the books are compared."""
    with quiet_and_virtual():
        machine = CopyTrading()
        try:
            # It answers to the machine's own steps, so the checker may see it as one.
            yield cast("CopyTrading", _Judged(machine))
            machine.world.heal_and_judge()
        finally:
            machine.world.close()
