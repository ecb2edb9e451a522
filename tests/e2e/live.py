"""The whole product on ports of its own: started as a person starts it, stopped at the end."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deploy.local.people import ADMIN, PASSWORD
from deploy.local.visitor import Visitor

ROOT = Path(__file__).parents[2]
START_S = 420
DEMO_S = 420


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveStack:
    """`cookies` are the sign-ins of the demo people, by e-mail."""

    web_url: str
    state: Path
    password: str = PASSWORD

    @property
    def cookies(self) -> dict[str, str]:
        found: dict[str, str] = json.loads((self.state / "people.json").read_text())
        return found

    def visitor(self, email: str) -> Visitor:
        return Visitor(self.web_url, self.cookies.get(email))

    def scale(self, broker: str, replicas: int) -> None:
        _done(self.start("deploy.local", "scale", broker, str(replicas)), START_S)

    def start(self, module: str, *words: str) -> "subprocess.Popen[str]":
        """Start a command of this stack and return at once."""
        return _started(self.state, module, *words)

    def demo(self, *words: str) -> dict[str, Any]:
        """Play the trading day and return its result file."""
        return finished_demo(*self.begun_demo(*words))

    def begun_demo(self, *words: str) -> "tuple[subprocess.Popen[str], Path]":
        result = self.state / "demo.json"
        return self.start("deploy.local.demo", "--out", str(result), *words), result

    async def owners(self) -> set[str]:
        """List the executors that hold shards now."""
        async with self.visitor(ADMIN) as admin:
            shards = (await admin.call("GET", "/shards"))["shards"]
        return {shard["owner"] for shard in shards if shard["owner"]}


@contextmanager
def live_stack(state: Path) -> Iterator[LiveStack]:
    _done(_started(state, "deploy.local", "up"), START_S)
    try:
        port = json.loads((state / "stack.json").read_text())["ports"]["web"]
        yield LiveStack(web_url=f"http://127.0.0.1:{port}", state=state)
    finally:
        _done(_started(state, "deploy.local", "down"), START_S)


def finished_demo(process: "subprocess.Popen[str]", result: Path) -> dict[str, Any]:
    """Wait for a demo; fail with what it said unless it found everything in order."""
    _done(process, DEMO_S)
    found: dict[str, Any] = json.loads(result.read_text())
    return found


def _started(state: Path, module: str, *words: str) -> "subprocess.Popen[str]":
    command: Sequence[str] = (sys.executable, "-m", module, *words)
    own = {"LOCKSTEP_STATE_DIR": str(state), "LOCKSTEP_PORT_BASE": "auto"}
    return subprocess.Popen(  # noqa: S603  # Our own words.
        command,
        cwd=ROOT,
        env=os.environ | own,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )


def _done(process: "subprocess.Popen[str]", timeout_s: float) -> None:
    said, _ = process.communicate(timeout=timeout_s)
    assert process.returncode == 0, said
