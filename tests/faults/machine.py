"""The processes of one run, owned directly: each can be killed, stopped, frozen, started anew."""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from deploy.local import leftovers
from deploy.local.last_words import last_words
from deploy.local.layout import ROOT, clean_environment
from deploy.local.program import Program, Tier

_READY_S = 90
_STOP_S = 25
_MARK = "LOCKSTEP_STACK"


class DidNotStart(Exception):
    """A program ended or never answered; the message has its last words."""


@dataclass(slots=True)
class Running:
    program: Program
    process: "subprocess.Popen[bytes]"
    frozen: bool = False


@dataclass(slots=True)
class Machine:
    """Starts programs in sessions of their own, marked as this stack's."""

    log: Path
    stack_id: str
    running: dict[str, Running] = field(default_factory=dict)
    _guardian: "subprocess.Popen[bytes] | None" = None

    def guard(self) -> None:
        """Have what runs ended even if this process is killed."""
        self._guardian = subprocess.Popen(  # noqa: S603  # Our own program.
            [sys.executable, "-m", "tests.faults.guardian", self.stack_id],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            cwd=ROOT,
            env=clean_environment(),
        )

    async def start(self, programs: Iterable[Program]) -> None:
        """Start these and return when all of them are ready."""
        asked = list(programs)
        for program in asked:
            self._begin(program)
        await asyncio.gather(*(self._ready(program.name) for program in asked))

    def begin(self, program: Program) -> None:
        """Start without waiting."""
        self._begin(program)

    async def ready(self, name: str) -> None:
        await self._ready(name)

    def alive(self, name: str) -> bool:
        found = self.running.get(name)
        return found is not None and found.process.poll() is None

    def pid(self, name: str) -> int:
        return self.running[name].process.pid

    async def gone(self, name: str, within_s: float) -> bool:
        """Wait until this process has ended; False when it lives on."""
        deadline = time.monotonic() + within_s
        while self.alive(name):
            if time.monotonic() > deadline:
                return False
            await asyncio.sleep(0.01)
        return True

    def kill(self, name: str) -> None:
        """SIGKILL: no last word."""
        self._send(name, signal.SIGKILL)
        self.running[name].process.wait(10)

    def freeze(self, name: str) -> None:
        self.running[name].frozen = True
        self._send(name, signal.SIGSTOP)

    def thaw(self, name: str) -> None:
        self.running[name].frozen = False
        self._send(name, signal.SIGCONT)

    def ask_to_stop(self, name: str) -> None:
        """Send the program's own polite signal and return at once."""
        self._send(name, signal.Signals[f"SIG{self.running[name].program.stop_signal}"])

    async def stop(self, name: str) -> None:
        """Ask politely and wait; what does not end in time is killed."""
        self.ask_to_stop(name)
        if not await self.gone(name, _STOP_S):
            self.kill(name)

    async def restart(self, name: str, program: Program | None = None) -> None:
        """Start it again, or another program under its name."""
        if self.alive(name):
            await self.stop(name)
        await self.start([program or self.running[name].program])

    async def heal(self, up_to: Tier = Tier.EDGE) -> list[str]:
        """Thaw what is frozen and start what has ended, up to this tier; return the names."""
        mended = []
        for name, one in self.running.items():
            if one.frozen and self.alive(name):
                self.thaw(name)
                mended.append(name)
        ended = [
            one
            for name, one in self.running.items()
            if one.program.tier <= up_to and not self.alive(name)
        ]
        by_tier: dict[int, list[Program]] = {}
        for one in ended:
            by_tier.setdefault(one.program.tier, []).append(one.program)
        for tier in sorted(by_tier):
            await self.start(by_tier[tier])
        return mended + [one.program.name for one in ended]

    def forget(self, name: str) -> None:
        """Count an ended program as not wanted any more."""
        self.running.pop(name, None)

    def stop_all(self) -> None:
        """End everything, services first and servers last. Never raises for what is gone."""
        for one in self.running.values():
            if one.frozen:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(one.process.pid, signal.SIGCONT)
        for tier in sorted({one.program.tier for one in self.running.values()}, reverse=True):
            group = [one for one in self.running.values() if one.program.tier == tier]
            for one in group:
                if one.process.poll() is None:
                    one.process.send_signal(signal.Signals[f"SIG{one.program.stop_signal}"])
            for one in group:
                _wait_or_kill(one.process)
        self.running.clear()
        leftovers.stop(self.stack_id)
        if self._guardian is not None and self._guardian.stdin is not None:
            self._guardian.stdin.close()
            self._guardian.wait(60)

    def _begin(self, program: Program) -> None:
        with (self.log / f"{program.name}.log").open("ab") as output:
            process = subprocess.Popen(  # noqa: S603  # Our own programs.
                program.command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
                cwd=ROOT,
                env=clean_environment() | dict(program.environment) | {_MARK: self.stack_id},
            )
        self.running[program.name] = Running(program=program, process=process)

    async def _ready(self, name: str) -> None:
        one = self.running[name]
        deadline = time.monotonic() + _READY_S
        while not await asyncio.to_thread(one.program.ready):
            if one.process.poll() is not None or time.monotonic() > deadline:
                words = last_words(self.log / f"{name}.log")
                raise DidNotStart(f"{name} does not start: {words}")
            await asyncio.sleep(0.05)

    def _send(self, name: str, number: signal.Signals) -> None:
        process = self.running[name].process
        if process.poll() is None:
            process.send_signal(number)


def memory_bytes(pid: int) -> int:
    """Resident memory of a process."""
    return int(psutil.Process(pid).memory_info().rss)


def _wait_or_kill(process: "subprocess.Popen[bytes]") -> None:
    try:
        process.wait(_STOP_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(10)
