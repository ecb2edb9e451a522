"""Makes `.venv` from the lock, with nothing but the Python it is run by: standard library only.

Run by `make setup` before anything is installed; does nothing while the lock is unchanged.
"""

import fcntl
import hashlib
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
VENV = ROOT / ".venv"
LOCK = ROOT / "requirements.lock"
STAMP = VENV / "installed.txt"
LOG = VENV / "setup.log"
NEEDED_MB = 1500

_NETWORK = re.compile(
    r"name resolution|dns error|NewConnectionError|error sending request|unreachable|"
    r"timed out|tunnel connection failed|connection refused|from versions: none",
    re.IGNORECASE,
)


class Refused(Exception):
    """One line: what is wrong and what to do."""


def main() -> int:
    with LOCK.open("rb") as lock:
        # Two commands at once on a fresh clone: the second one waits and finds it done.
        fcntl.flock(lock, fcntl.LOCK_EX)
        wanted = f"{hashlib.sha256(lock.read()).hexdigest()} {_version()}\n"
        if STAMP.exists() and STAMP.read_text() == wanted and _works():
            return 0
        try:
            _install()
            STAMP.write_text(wanted)
        except Refused as refused:
            sys.stderr.write(f"✗ {refused}\n")
            return 1
        except OSError as error:
            sys.stderr.write(
                f"✗ {VENV} could not be written: {error.strerror}. Free some space or make the "
                "folder writable, then run the same command again.\n"
            )
            return 1
    return 0


def _install() -> None:
    free_mb = shutil.disk_usage(ROOT).free / 1e6
    if free_mb < NEEDED_MB:
        raise Refused(
            f"The disk is full: {free_mb:.0f} MB free at {ROOT}, {NEEDED_MB} MB needed. "
            "Free some space and run the same command again."
        )
    if not _works():
        _say("Making .venv")
        shutil.rmtree(VENV, ignore_errors=True)
        VENV.mkdir()
        _run([sys.executable, "-m", "venv", str(VENV)])
    python = str(VENV / "bin" / "python")
    _say(f"Installing {len(pins())} packages from {LOCK.name}")
    uv = VENV / "uv.txt"
    uv.write_text(pins()["uv"])
    pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    _run([*pip, "--no-deps", "--require-hashes", "-r", str(uv)])
    install = [str(VENV / "bin" / "uv"), "pip", "install", "--python", python]
    _run([*install, "--require-hashes", "-r", str(LOCK)])


def _version() -> str:
    return f"{sys.version_info.major}.{sys.version_info.minor}"


def _works() -> bool:
    """Answer whether `.venv` has this Python. It follows the one that made it, which may go."""
    try:
        asked = subprocess.run(
            [VENV / "bin" / "python", "--version"], capture_output=True, text=True, check=False
        )
    except OSError:
        return False
    return asked.stdout.startswith(f"Python {_version()}.")


def pins() -> dict[str, str]:
    """Split the lock into one requirement with its hashes per package."""
    blocks = re.split(r"^(?=[a-z0-9])", LOCK.read_text(), flags=re.MULTILINE)
    return {block.partition("==")[0]: block for block in blocks if "==" in block}


def _run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    said = done.stdout + done.stderr
    with LOG.open("a") as log:
        log.write(f"$ {' '.join(command)}\n{said}")
    if done.returncode:
        raise Refused(remedy(said))


def remedy(said: str) -> str:
    if "ensurepip" in said:
        return (
            "This Python cannot make virtual environments. Install its venv module "
            f"(Debian, Ubuntu: apt install python{_version()}-venv) and run the same command again."
        )
    if "No space left" in said:
        return "The disk is full. Free some space and run the same command again."
    if _NETWORK.search(said):
        return (
            "No network: the Python packages could not be downloaded. Connect (or set "
            "HTTPS_PROXY) and run the same command again."
        )
    last = (said.strip().splitlines() or ["no message"])[-1].strip()
    return f'Installing failed: "{last}". Read {LOG} and run the same command again.'


def _say(line: str) -> None:
    sys.stderr.write(f"· {line}\n")


if __name__ == "__main__":
    sys.exit(main())
