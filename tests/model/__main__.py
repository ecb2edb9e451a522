"""The whole run: `MODEL_STEPS` steps (100,000) from `MODEL_SEED` on, within `MODEL_SECONDS`.

Two processes share the steps. A nightly run sets MODEL_STEPS=10000000 and MODEL_SECONDS=36000.
"""

import os
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

from tests.model.run import Done, share

_WORKERS = 2
# Far enough apart that two workers never run the same round.
_SEEDS_APART = 10_000_000


def main() -> int:
    seed = int(os.environ.get("MODEL_SEED", "1"))
    steps = int(os.environ.get("MODEL_STEPS", "100000"))
    seconds = float(os.environ.get("MODEL_SECONDS", "180"))
    _say(f"model: {steps} steps from MODEL_SEED={seed}, at most {seconds:g} s")
    began_at = time.monotonic()
    with ProcessPoolExecutor(_WORKERS, mp_context=get_context("spawn")) as workers:
        shares = [
            workers.submit(share, seed + worker * _SEEDS_APART, steps // _WORKERS, seconds)
            for worker in range(_WORKERS)
        ]
        results = [one.result() for one in shares]
    done = sum(result.steps for result in results if isinstance(result, Done))
    for found in (result for result in results if isinstance(result, str)):
        _say(f"model: found something. Paste the steps into tests/model/scripts:\n{found}")
    stopped = "" if done >= steps else ", stopped by the clock or by what was found"
    _say(f"model: {done} steps done in {time.monotonic() - began_at:.0f} s{stopped}")
    return int(any(isinstance(result, str) for result in results))


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
