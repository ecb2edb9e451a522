import json
import os
import resource
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from libs.runtime.server import raise_file_limit

PROGRAM = """
import asyncio, sys
from fastapi import FastAPI
from libs.runtime.health import health_router
from libs.runtime.logging import configure_logging
from libs.runtime.problems import install_problem_handlers
from libs.runtime.server import serve
from libs.runtime.settings import LogSettings

configure_logging("probe", LogSettings(log_level="DEBUG"))
app = FastAPI()
install_problem_handlers(app)

async def ready():
    return {"loop": "uvloop" in type(asyncio.get_running_loop()).__module__}

app.include_router(health_router(ready))

@app.get("/slow")
async def slow():
    await asyncio.sleep(1)
    return "done"

@app.get("/broken")
async def broken():
    raise RuntimeError("token=hunter22")

serve(app, "127.0.0.1", int(sys.argv[1]))
"""


class Running:
    def __init__(self) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.process = subprocess.Popen(  # noqa: S603  # Our own program.
            [sys.executable, "-W", "error", "-c", PROGRAM, str(self.port)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        self._wait_until_up()

    def get(self, path: str) -> tuple[int, bytes]:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=10) as got:
                return got.status, got.read()
        except urllib.error.HTTPError as refused:
            return refused.code, refused.read()

    def _wait_until_up(self) -> None:
        for _ in range(300):
            if self.process.poll() is None:
                try:
                    self.get("/healthz")
                except OSError:
                    time.sleep(0.05)
                else:
                    return
        raise AssertionError(self.process.communicate())


@pytest.fixture
def running() -> Iterator[Running]:
    running = Running()
    yield running
    if running.process.poll() is None:
        running.process.kill()
    running.process.communicate()


def test_sigterm_lets_a_running_request_finish_and_every_line_is_json(running: Running) -> None:
    with ThreadPoolExecutor() as threads:
        answer = threads.submit(running.get, "/slow")
        time.sleep(0.3)
        os.kill(running.process.pid, signal.SIGTERM)
        assert answer.result(10) == (200, b'"done"')
    output, errors = running.process.communicate(timeout=10)

    lines = [json.loads(line) for line in output.splitlines()]
    assert errors == b""
    assert all({"service", "level", "event", "time"} <= set(line) for line in lines)
    answered = [line for line in lines if line["event"] == "request_answered"]
    assert {"route": "/slow", "status": 200}.items() <= answered[-1].items()
    assert len(answered[-1]["correlation_id"]) == 36


def test_it_runs_on_uvloop_and_a_failure_is_logged_without_secrets(running: Running) -> None:
    ready = running.get("/readyz")
    broken = running.get("/broken")
    running.process.terminate()
    output, errors = running.process.communicate(timeout=10)

    assert ready == (200, b'{"checks":{"loop":true}}')
    assert broken[0] == 500
    assert b"request_failed" in output
    assert b"hunter22" not in output + errors + broken[1]


def test_a_closed_standard_output_does_not_end_the_process(running: Running) -> None:
    assert running.process.stdout is not None
    running.process.stdout.close()

    for _ in range(5):
        assert running.get("/healthz")[0] == 200

    metrics = running.get("/metrics")[1].decode()
    running.process.terminate()
    assert running.process.wait(10) == 0 or running.process.returncode == -signal.SIGTERM
    assert 'lockstep_log_lines_dropped_total{reason="unwritable"}' in metrics


def test_the_limit_of_open_files_is_raised_as_far_as_allowed() -> None:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (256, before[1]))

        reached = raise_file_limit()

        assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] == reached > 256
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
