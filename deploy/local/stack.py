"""One stack: its identity, its lock, what runs in it, and how it is started and stopped."""

import contextlib
import fcntl
import json
import secrets
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import psutil

from deploy.local import layout as layouts
from deploy.local import leftovers, postgres
from deploy.local.keys import Keys, keys_of
from deploy.local.last_words import last_words
from deploy.local.layout import Layout
from deploy.local.problems import Problem, does_not_start, never_ready, port_in_use
from deploy.local.program import Program
from deploy.local.screen import Screen
from deploy.local.supervision import Supervisor

_READY_S = 180
# A program that keeps ending is given this long: a service may wait for another one at first.
_PATIENCE_S = 15
_STOP_S = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Stack:
    layout: Layout
    keys: Keys
    supervisor: Supervisor
    environment: Mapping[str, str]
    screen: Screen

    @staticmethod
    def open(environment: Mapping[str, str], screen: Screen) -> "Stack":
        """Read what stands in the state folder; nothing is started."""
        state = layouts.state_dir(environment)
        _refuse_foreign(state)
        for folder in (state, state / "log"):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        supervisor = Supervisor(state, _stack_id(state))
        # A living stack is found where it is; a dead one is forgotten, its ports too.
        ports = recall(state).get("ports") if supervisor.alive() else None
        return Stack(
            layout=layouts.layout_of(environment, ports),
            keys=keys_of(state, environment),
            supervisor=supervisor,
            environment=environment,
            screen=screen,
        )

    @contextlib.contextmanager
    def locked(self, name: str = "lock", *, wait: bool = True) -> Iterator[None]:
        """Hold a lock file of this stack. The kernel drops it when we die, however we die."""
        with (self.layout.state / name).open("a") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
            except BlockingIOError as error:
                raise Problem(
                    f"This stack already runs ({self.layout.state})",
                    "Press Ctrl-C there first, or give another LOCKSTEP_STATE_DIR and "
                    "LOCKSTEP_PORT_BASE to start a second one",
                ) from error
            yield

    @property
    def address(self) -> str:
        """Where a browser finds this stack."""
        public = self.environment.get("WEB_PUBLIC_URL")
        return public or f"http://127.0.0.1:{self.layout.ports.web}"

    def clear(self) -> None:
        """Stop what an earlier start of this stack left running, whatever became of it."""
        if left := leftovers.stop(self.supervisor.stack_id):
            self.screen.say(f"Stopped what an earlier start left running: {', '.join(left)}")

    def ensure_supervisor(self, *, dies_with_us: bool = False) -> "subprocess.Popen[bytes] | None":
        """Start the supervisor unless it is alive, after clearing what a crash left behind."""
        if self.supervisor.alive():
            return None
        self.clear()
        return self.supervisor.start(dies_with_us=dies_with_us)

    def start(self, programs: Sequence[Program]) -> None:
        """Start what is not running yet and return when all of them are ready."""
        fresh = self.refuse_used_ports(programs)
        self.supervisor.put(programs)
        for program in fresh:
            self.screen.begin(program.name, "starting")
        self.supervisor.run(program.name for program in fresh)
        self._wait(programs, {program.name for program in fresh})

    def refuse_used_ports(self, programs: Sequence[Program]) -> list[Program]:
        """Return those that do not run yet. Raise a `Problem` if somebody else has their ports."""
        running = self.supervisor.states()
        fresh = [p for p in programs if running.get(p.name) not in ("RUNNING", "STARTING")]
        for program in fresh:
            for port, name in program.ports.items():
                if not layouts.is_free(port):
                    setting = layouts.Ports.setting(name)
                    raise port_in_use(program.name, port, setting, _holder(port))
        return fresh

    def _wait(self, programs: Sequence[Program], fresh: Set[str]) -> None:
        pending = list(programs)
        began = time.monotonic()
        while pending:
            for program in list(pending):
                if program.ready():
                    pending.remove(program)
                    if program.name in fresh:
                        self.screen.end(program.name)
            if pending:
                self._give_up(pending[0], time.monotonic() - began)
                time.sleep(0.05)

    def _give_up(self, program: Program, waited_s: float) -> None:
        if waited_s < 1:
            return
        state = self.supervisor.states().get(program.name, "")
        ends = state in ("BACKOFF", "EXITED", "STOPPED") and waited_s > _PATIENCE_S
        log = self.layout.log / f"{program.name}.log"
        if state == "FATAL" or ends:
            raise does_not_start(program.name, log, last_words(log))
        if waited_s > _READY_S:
            raise never_ready(program.name, log, _READY_S)

    def stop(self) -> None:
        """Stop everything this stack started: the edge and services first, the servers last."""
        if self.supervisor.alive():
            tiers = self.supervisor.tiers()
            for tier in sorted(set(tiers.values()), reverse=True):
                names = [name for name, its_tier in tiers.items() if its_tier == tier]
                self.supervisor.stop(names, wait_s=_STOP_S)
            self.supervisor.shutdown()
        leftovers.stop(self.supervisor.stack_id)

    def forget(self) -> None:
        """Remove what this stack keeps outside its folder."""
        for folder in (self.supervisor.socket.parent, postgres.moved_home(self.layout.state)):
            if folder != self.layout.state and folder.exists():
                shutil.rmtree(folder, ignore_errors=True)

    def remember(self, **facts: object) -> None:
        """Keep facts for the next command (`scale`, `status`, `down`) in `stack.json`."""
        file = self.layout.stack_file
        kept = recall(self.layout.state) | {"ports": asdict(self.layout.ports)} | facts
        scratch = file.with_suffix(".new")
        scratch.write_text(json.dumps(kept, indent=2))
        scratch.replace(file)


def recall(state: Path) -> dict[str, Any]:
    file = state / "stack.json"
    if not file.exists():
        return {}
    facts: dict[str, Any] = json.loads(file.read_text())
    return facts


def _refuse_foreign(state: Path) -> None:
    """Keep out of a folder that holds other things: `make clean` removes the state folder whole."""
    ours = state.is_relative_to(layouts.ROOT / "run") or (state / "stack.id").exists()
    if not ours and state.exists() and any(state.iterdir()):
        raise Problem(f"{state} holds other files", "Give an empty folder as LOCKSTEP_STATE_DIR")


def _stack_id(state: Path) -> str:
    """Read the random name that marks this stack's processes; make it the first time."""
    file = state / "stack.id"
    if not file.exists():
        file.write_text(secrets.token_hex(16))
    return file.read_text().strip()


def _holder(port: int) -> str | None:
    """Name who listens there, as far as this user may see it."""
    with contextlib.suppress(psutil.Error, OSError):
        for connection in psutil.net_connections("tcp"):
            listens = connection.status == psutil.CONN_LISTEN and connection.laddr[1:2] == (port,)
            if listens and connection.pid:
                return f"{psutil.Process(connection.pid).name()} (process {connection.pid})"
    return None
