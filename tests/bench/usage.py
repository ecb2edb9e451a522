"""Which process spent how much CPU time, children counted with their parents."""

from collections.abc import Mapping
from contextlib import suppress

import psutil


def cpu_s(pids: Mapping[str, int]) -> dict[str, float]:
    """Read user and system seconds by name; PostgreSQL's are those of all its backends."""
    spent: dict[str, float] = {}
    for name, pid in pids.items():
        with suppress(psutil.Error):
            parent = psutil.Process(pid)
            spent[name] = sum(map(_seconds, [parent, *parent.children(recursive=True)]))
    return spent


def threads_s(pid: int) -> tuple[float, float]:
    """Read the seconds of a process's main thread and of all its others."""
    main = others = 0.0
    for thread in psutil.Process(pid).threads():
        spent = thread.user_time + thread.system_time
        if thread.id == pid:
            main += spent
        else:
            others += spent
    return main, others


def _seconds(process: psutil.Process) -> float:
    try:
        times = process.cpu_times()
    except psutil.Error:
        return 0.0
    # A backend that ended counts at its parent.
    return float(times.user + times.system + times.children_user + times.children_system)
