"""supervisord over its unix socket: one program group per process, added and removed while it runs.

The files in `conf.d` hold secrets in the programs' environments: folder and files are 0700/0600.
"""

import contextlib
import os
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from tempfile import gettempdir
from typing import Any
from xmlrpc.client import Fault, ServerProxy

from supervisor.xmlrpc import Faults, SupervisorTransport

from deploy.local.last_words import last_words
from deploy.local.layout import ROOT, clean_environment
from deploy.local.problems import Problem, does_not_start
from deploy.local.program import Program

# A unix socket's path has 107 bytes, and supervisord binds to a longer temporary name first.
_SOCKET_PATH_MAX = 90
_START_S = 10


class Supervisor:
    """The supervisor of one stack, alive or not."""

    def __init__(self, state: Path, stack_id: str) -> None:
        self.state = state
        self.log = state / "log"
        self.stack_id = stack_id
        self.programs = state / "conf.d"
        self.socket = _socket_path(state, stack_id)

    def alive(self) -> bool:
        try:
            return bool(self._call("supervisor.getState")["statename"] == "RUNNING")
        except (OSError, Fault):
            return False

    def start(self, *, dies_with_us: bool) -> "subprocess.Popen[bytes]":
        """Start supervisord in a session of its own, so that Ctrl-C reaches us and not it."""
        settings = self._write_settings()
        command = [sys.executable, "-m", "supervisor.supervisord", "-c", str(settings)]
        if dies_with_us and shutil.which("setpriv"):
            # Killed ourselves, we could not stop it: the kernel then asks it to stop.
            command = ["setpriv", "--pdeathsig", "TERM", *command]
        with (self.log / "supervisord.out").open("ab") as output:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
                cwd=self.state,
                env=clean_environment() | {"LOCKSTEP_STACK": self.stack_id},
            )
        deadline = time.monotonic() + _START_S
        while not self.alive():
            if process.poll() is not None or time.monotonic() > deadline:
                log = self.log / "supervisord.out"
                raise does_not_start("The supervisor", log, last_words(log))
            time.sleep(0.05)
        return process

    def put(self, programs: Iterable[Program]) -> None:
        """Make these programs known. One that is known with the same settings is left alone."""
        for program in programs:
            path = self.programs / f"{program.name}.conf"
            wanted = section(program)
            if path.exists() and path.read_text() == wanted:
                continue
            path.touch(mode=0o600)
            path.write_text(wanted)
        self._reload()

    def remove(self, names: Iterable[str]) -> None:
        """Stop these programs and forget them; nobody else is touched."""
        for name in names:
            (self.programs / f"{name}.conf").unlink(missing_ok=True)
        self._reload()

    def run(self, names: Iterable[str]) -> None:
        for name in names:
            self._call("supervisor.startProcess", name, False, tolerated=(Faults.ALREADY_STARTED,))

    def states(self) -> dict[str, str]:
        return {one["name"]: one["statename"] for one in self._call("supervisor.getAllProcessInfo")}

    def pids(self) -> dict[str, int]:
        return {one["name"]: one["pid"] for one in self._call("supervisor.getAllProcessInfo")}

    def started_at(self) -> dict[str, datetime]:
        """Tell when each process began, to the second before."""
        return {
            one["name"]: datetime.fromtimestamp(one["start"], UTC)
            for one in self._call("supervisor.getAllProcessInfo")
        }

    def tiers(self) -> dict[str, int]:
        return {
            one["name"]: one["process_prio"] for one in self._call("supervisor.getAllConfigInfo")
        }

    def stop(self, names: Iterable[str], *, wait_s: float) -> None:
        """Ask all of them at once to stop and wait for the slowest."""
        asked = list(names)
        for name in asked:
            self._call("supervisor.stopProcess", name, False, tolerated=(Faults.NOT_RUNNING,))
        deadline = time.monotonic() + wait_s
        while time.monotonic() < deadline:
            states = self.states()
            if all(states.get(name) not in ("RUNNING", "STARTING", "STOPPING") for name in asked):
                return
            time.sleep(0.05)

    def shutdown(self) -> None:
        with contextlib.suppress(OSError, Fault):
            self._call("supervisor.shutdown")

    def _reload(self) -> None:
        ((added, changed, removed),) = self._call("supervisor.reloadConfig")
        for name in [*changed, *removed]:
            self._call("supervisor.stopProcessGroup", name, tolerated=(Faults.BAD_NAME,))
            self._call("supervisor.removeProcessGroup", name, tolerated=(Faults.BAD_NAME,))
        for name in [*added, *changed]:
            self._call("supervisor.addProcessGroup", name, tolerated=(Faults.ALREADY_ADDED,))

    def _call(self, method: str, *values: object, tolerated: tuple[int, ...] = ()) -> Any:  # noqa: ANN401 (XML-RPC)
        transport = SupervisorTransport(None, None, f"unix://{self.socket}")  # type: ignore[no-untyped-call]  # It has no types.
        with ServerProxy("http://localhost", transport=transport) as proxy:
            try:
                return getattr(proxy, method)(*values)
            except Fault as fault:
                if fault.faultCode in tolerated:
                    return None
                raise
            finally:
                transport.close()  # type: ignore[no-untyped-call]  # as above

    def _write_settings(self) -> Path:
        self.programs.mkdir(exist_ok=True, mode=0o700)
        for stale in self.programs.glob("*.conf"):
            stale.unlink()
        path = self.state / "supervisord.conf"
        # Root has to say that it means it, else every start is logged as critical.
        as_root = "user = root\n" if os.geteuid() == 0 else ""
        path.write_text(
            f"[supervisord]\nnodaemon = true\nidentifier = lockstep\n{as_root}"
            f"logfile = {_quoted(self.log / 'supervisord.log')}\n"
            "logfile_maxbytes = 5MB\nlogfile_backups = 1\n"
            f"pidfile = {_quoted(self.state / 'supervisord.pid')}\n"
            f"[unix_http_server]\nfile = {_quoted(self.socket)}\nchmod = 0600\n"
            "[rpcinterface:supervisor]\n"
            "supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface\n"
            # Relative to this file: its folder may have a space in its name.
            "[include]\nfiles = conf.d/*.conf\n"
        )
        return path


def _socket_path(state: Path, stack_id: str) -> Path:
    beside = state / "supervisor.sock"
    if len(str(beside).encode()) <= _SOCKET_PATH_MAX:
        return beside
    folder = Path(gettempdir()) / f"lockstep-{stack_id[:12]}"
    folder.mkdir(exist_ok=True, mode=0o700)
    return folder / "supervisor.sock"


def section(program: Program) -> str:
    lines = {
        "command": _quoted(shlex.join(program.command)),
        "directory": _quoted(ROOT),
        "environment": _environment(program.environment),
        "autostart": "false",
        "autorestart": "true",
        "startsecs": "1",
        # Waits 1, 2, 3 … seconds between tries: it gives up after about half an hour.
        "startretries": "60",
        "stopsignal": program.stop_signal,
        "stopwaitsecs": str(program.stop_wait_s),
        "killasgroup": "true",
        "redirect_stderr": "true",
        # From supervisord's own folder: it reads this one twice, and a percent sign would not live.
        "stdout_logfile": f"log/{program.name}.log",
        "stdout_logfile_maxbytes": "20MB",
        "stdout_logfile_backups": "2",
        "priority": str(int(program.tier)),
        "umask": "077",
    }
    return f"[program:{program.name}]\n" + "".join(f"{k} = {v}\n" for k, v in lines.items())


def _environment(values: Mapping[str, str]) -> str:
    return ",".join(f"{name}={_escaped(name, value)}" for name, value in sorted(values.items()))


def _escaped(name: str, value: str) -> str:
    """Quote for supervisord's own reader, which knows no escape and sees comments in quotes."""
    mark = "'" if '"' in value else '"'
    if mark in value or any(part in value for part in (" ;", " #", "\n", "\t;", "\t#")):
        raise Problem(
            f"{name} holds a value that the supervisor cannot pass on",
            "Leave out line breaks, mixed quotes, and ; or # after a space",
        )
    return f"{mark}{_quoted(value)}{mark}"


def _quoted(value: object) -> str:
    return str(value).replace("%", "%%")
