"""A child process that is asked in lines of JSON and answers in lines of JSON.

It ends when its standard input does, so it never outlives the bench.
"""

import asyncio
import json
import os
import sys
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, TextIO

from deploy.local.layout import ROOT, clean_environment

_LINE_BYTES_MAX = 256 * 1024 * 1024
_STOP_S = 10

Answer = Callable[[dict[str, Any]], Awaitable[Any]]


class WorkerFailed(Exception):
    """The child ended or answered with an error."""


class Worker:
    """The parent's end. One question at a time."""

    def __init__(self, name: str, process: asyncio.subprocess.Process, log: Path) -> None:
        self.name = name
        self.pid = process.pid
        self._process = process
        self._log = log

    @staticmethod
    async def start(name: str, log: Path, *words: str) -> "Worker":
        """Run `python -m tests.bench.<name>` and wait until it says that it is ready."""
        with log.open("ab") as errors:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", f"tests.bench.{name}", *words),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=errors,
                cwd=ROOT,
                env=clean_environment(),
                limit=_LINE_BYTES_MAX,
            )
        worker = Worker(name, process, log)
        await worker._answer()
        return worker

    async def ask(self, op: str, **values: Any) -> Any:
        """Send one question and return its answer. Raise `WorkerFailed`."""
        if self._process.stdin is None:
            raise WorkerFailed(f"{self.name} has no standard input")
        self._process.stdin.write(json.dumps({"op": op, **values}).encode() + b"\n")
        return await self._answer()

    async def stop(self) -> None:
        if self._process.stdin is not None:
            self._process.stdin.close()
        with suppress(TimeoutError):
            async with asyncio.timeout(_STOP_S):
                await self._process.wait()
                return
        self._process.kill()
        await self._process.wait()

    async def _answer(self) -> Any:
        if self._process.stdout is None:
            raise WorkerFailed(f"{self.name} has no standard output")
        line = await self._process.stdout.readline()
        if not line:
            raise WorkerFailed(f"{self.name} ended: read {self._log}")
        answer: Mapping[str, Any] = json.loads(line)
        if "error" in answer:
            raise WorkerFailed(f"{self.name}: {answer['error']}, read {self._log}")
        return answer["answer"]


def take_output() -> TextIO:
    """Keep standard output for answers alone; what anything prints goes to the log."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    return answers


async def serve(answers: TextIO, answer: Answer) -> None:
    """Answer the parent until it closes the line: the child's end."""

    def say(words: Mapping[str, Any]) -> None:
        answers.write(json.dumps(words) + "\n")
        answers.flush()

    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(limit=_LINE_BYTES_MAX)
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    say({"answer": "ready"})
    while line := await reader.readline():
        say({"answer": await answer(json.loads(line))})
