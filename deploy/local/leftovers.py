"""Processes of an earlier start of this stack, found by the mark in their environment.

The mark is the stack's random id, so nobody else's process is ever touched.
"""

import contextlib
import signal

import psutil

_GRACE_S = 25


def of_stack(stack_id: str) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter():
        # Gone meanwhile, or another user's: either way not ours.
        with contextlib.suppress(psutil.Error, OSError):
            if process.environ().get("LOCKSTEP_STACK") == stack_id:
                found.append(process)
    return found


def stop(stack_id: str) -> list[str]:
    """Stop whatever an earlier start left behind and return the names. Postgres goes softly."""
    left = of_stack(stack_id)
    names = sorted({_name(process) for process in left})
    # The supervisor first: it would start again what we stop, and knows how to stop it well.
    supervisors = [process for process in left if "supervisor.supervisord" in _command(process)]
    for process in supervisors:
        _send(process, signal.SIGTERM)
    psutil.wait_procs(supervisors, timeout=_GRACE_S)
    orphans = of_stack(stack_id)
    for process in orphans:
        _send(process, signal.SIGINT if _name(process) == "postgres" else signal.SIGTERM)
    psutil.wait_procs(orphans, timeout=_GRACE_S)
    for process in of_stack(stack_id):
        _send(process, signal.SIGKILL)
    psutil.wait_procs(of_stack(stack_id), timeout=5)
    return names


def _send(process: psutil.Process, number: signal.Signals) -> None:
    with contextlib.suppress(psutil.Error):
        process.send_signal(number)


def _name(process: psutil.Process) -> str:
    try:
        return process.name()
    except psutil.Error:
        return "?"


def _command(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []
