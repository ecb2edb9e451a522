"""A short run of the machine, for every check; the long one is `make model`."""

import os

from tests.model import run

_STEPS = 2_000
_SECONDS_MAX = 30


def test_nothing_that_may_happen_breaks_an_invariant() -> None:
    done = run.run(int(os.environ.get("MODEL_SEED", "1")), _STEPS, _SECONDS_MAX)

    assert done.steps > 0
