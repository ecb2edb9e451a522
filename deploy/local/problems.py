"""What can keep the stack from running, each as one line: what is wrong, then what to do.

The command line prints a `Problem` and leaves; nobody starting Lockstep shall read a traceback.
"""

import errno
from pathlib import Path


class Problem(Exception):
    """One line for a person: what is wrong and the remedy."""

    def __init__(self, wrong: str, remedy: str) -> None:
        super().__init__(f"{wrong.rstrip('.')}. {remedy.rstrip('.')}.")


def port_in_use(what: str, port: int, setting: str, holder: str | None) -> Problem:
    by = f" by {holder}" if holder else ""
    return Problem(
        f"Port {port} ({what}) is already in use{by}",
        f"Stop that process, or choose another port: {setting}={port + 1000}",
    )


def disk_full(where: Path, free_mb: float, needed_mb: float) -> Problem:
    return Problem(
        f"The disk is full: {free_mb:.0f} MB free at {where}, {needed_mb:.0f} MB needed",
        "Free some space, or set LOCKSTEP_STATE_DIR and LOCKSTEP_CACHE_DIR to another disk",
    )


def no_network(what: str) -> Problem:
    return Problem(
        f"No network: {what} could not be downloaded",
        "Connect (or set HTTPS_PROXY) and run the same command again; what is there is kept",
    )


def does_not_start(name: str, log: Path, last_line: str) -> Problem:
    said = f': "{last_line}"' if last_line else ""
    return Problem(f"{name} does not start{said}", f"Read {log}")


def never_ready(name: str, log: Path, waited_s: float) -> Problem:
    return Problem(
        f"{name} runs, but was not ready within {waited_s:.0f} s",
        f"Read {log}; on a slow machine run the same command again",
    )


def of_os_error(error: OSError) -> Problem | None:
    """Turn what the system refused into a line, or None for what nobody expected."""
    where = error.filename or "the disk"
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return Problem(
            f"The disk is full: {where} could not be written",
            "Free some space, or set LOCKSTEP_STATE_DIR and LOCKSTEP_CACHE_DIR to another disk",
        )
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return Problem(
            f"No permission to write {where}",
            "Run as the owner of this folder, or set LOCKSTEP_STATE_DIR to a folder of your own",
        )
    return None
