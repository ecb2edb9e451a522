"""Runs a service as it is and samples where its CPU time goes: `profiled <file> services.executor`.

SIGUSR1 begins, SIGUSR2 ends and writes the file. Every millisecond of CPU time that the process
spends, in whatever thread, the stack of the main thread is noted: what runs in native code counts
for the line that called it, and what other threads spend while the loop waits counts for the loop.
"""

import json
import runpy
import signal
import sys
from collections import Counter
from pathlib import Path
from types import FrameType

_EVERY_S = 0.001
_LINES_MAX = 60


class Sampler:
    """Counts functions by their own time and by the time spent below them."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._own: Counter[str] = Counter()
        self._below: Counter[str] = Counter()
        self._samples = 0

    def begin(self, number: int, frame: FrameType | None) -> None:
        signal.setitimer(signal.ITIMER_PROF, _EVERY_S, _EVERY_S)

    def sample(self, number: int, frame: FrameType | None) -> None:
        self._samples += 1
        seen: set[str] = set()
        at = frame
        while at is not None:
            name = _name(at)
            if at is frame:
                self._own[f"{name}:{at.f_lineno}"] += 1
            if name not in seen:
                seen.add(name)
                self._below[name] += 1
            at = at.f_back

    def end(self, number: int, frame: FrameType | None) -> None:
        signal.setitimer(signal.ITIMER_PROF, 0)
        found = {
            "samples": self._samples,
            "own": self._own.most_common(_LINES_MAX),
            "below": self._below.most_common(_LINES_MAX),
        }
        scratch = self._file.with_suffix(".new")
        scratch.write_text(json.dumps(found))
        scratch.replace(self._file)


def _name(frame: FrameType) -> str:
    code = frame.f_code
    path = Path(code.co_filename)
    return f"{'/'.join(path.parts[-2:])} {code.co_qualname}"


def main(file: str, module: str) -> None:
    sampler = Sampler(Path(file))
    signal.signal(signal.SIGUSR1, sampler.begin)
    signal.signal(signal.SIGUSR2, sampler.end)
    signal.signal(signal.SIGPROF, sampler.sample)
    sys.argv = [module]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
