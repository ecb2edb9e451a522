import io
import json
import logging
import os
import threading
from collections.abc import Iterator
from typing import Any

import pytest
import structlog
from prometheus_client import REGISTRY
from structlog.contextvars import bound_contextvars

from libs.runtime.log_writer import LineWriter
from libs.runtime.logging import configure_logging
from libs.runtime.settings import LogSettings

CANARY = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJjYW5hcnkifQ.c2lnbmF0dXJlLWNhbmFyeQ"


class Logged:
    """Standard output as a test reads it."""

    def __init__(self) -> None:
        self.buffer = io.BytesIO()
        self.stdout = io.TextIOWrapper(self.buffer)
        self.writer = configure_logging("executor", LogSettings(log_level="INFO"), self.stdout)

    def text(self) -> str:
        assert self.writer.flush()
        return self.buffer.getvalue().decode()

    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.text().splitlines()]


@pytest.fixture
def logged() -> Iterator[Logged]:
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield Logged()
    logging.captureWarnings(capture=False)
    root.handlers, root.level = handlers, level
    structlog.reset_defaults()


def test_a_line_carries_service_level_event_time_and_bound_context(logged: Logged) -> None:
    with bound_contextvars(signal_id="0193a000"):
        structlog.get_logger().info("order_placed", latency_ms=2.5)

    (line,) = logged.lines()

    assert line.pop("time").endswith("Z")
    assert line == {
        "service": "executor",
        "level": "info",
        "event": "order_placed",
        "signal_id": "0193a000",
        "latency_ms": 2.5,
    }


def test_the_standard_library_goes_the_same_way(logged: Logged) -> None:
    with bound_contextvars(correlation_id="c-1"):
        logging.getLogger("uvicorn.error").warning("port %s", 8101)
        logging.getLogger("httpx").info("GET https://user:hunter22@host")
        logging.getLogger("uvicorn.access").error("GET /x?auth_code=1")

    (line,) = logged.lines()

    assert (line["event"], line["level"]) == ("port 8101", "warning")
    assert line["correlation_id"] == "c-1"


def test_below_the_level_nothing_is_written(logged: Logged) -> None:
    structlog.get_logger().debug("chatter")

    assert logged.text() == ""


def test_exceptions_are_written_without_their_secrets(logged: Logged) -> None:
    log = structlog.get_logger()
    try:
        refuse(f"refused token={CANARY} for postgresql://u:hunter22@db/x")
    except ConnectionError as error:
        log.exception("login_failed")
        log.warning("login_failed", error=error, access_token=CANARY)
        logging.getLogger("anything").exception("pin: 4711")

    text = logged.text()

    assert text.count("Traceback") == 2
    for clear in (CANARY, CANARY.split(".")[2], "hunter22", "4711"):
        assert clear not in text


def refuse(why: str) -> None:
    raise ConnectionError(why)


def test_a_library_that_repeats_itself_is_heard_once(logged: Logged) -> None:
    for _ in range(50):
        logging.getLogger("aiokafka").error("Unable connect to node with id %s", 1)

    assert len(logged.lines()) == 1


def test_odd_values_never_break_a_line(logged: Logged) -> None:
    structlog.get_logger().info("odd", a=object(), b={1: b"\xff"}, c={"x"}, d="\ud800", e=2**70)

    assert logged.lines()[0]["event"] == "odd"


class FullDisk(io.BytesIO):
    def write(self, data: Any) -> int:
        raise OSError(28, "No space left on device")


@pytest.mark.parametrize("kind", ["full disk", "closed pipe", "closed file"])
def test_a_stream_that_cannot_be_written_is_counted_and_survived(kind: str) -> None:
    writer = LineWriter(_broken(kind))
    before = _dropped("unwritable")

    for _ in range(3):
        writer.write("lost")

    assert writer.flush()
    assert _dropped("unwritable") == before + 3


def test_a_reader_that_stands_still_never_blocks_the_writer() -> None:
    reading = threading.Event()
    writer = LineWriter(StandsStill(reading), waiting_max=10)
    before = _dropped("slow_reader")

    for _ in range(100):
        writer.write("line")

    assert _dropped("slow_reader") >= before + 85
    assert not writer.flush(timeout_s=0.01)
    reading.set()


class StandsStill(io.BytesIO):
    def __init__(self, reading: threading.Event) -> None:
        super().__init__()
        self._reading = reading

    def write(self, data: Any) -> int:
        self._reading.wait(5)
        return len(data)


def _broken(kind: str) -> Any:
    if kind == "full disk":
        return FullDisk()
    if kind == "closed pipe":
        read_end, write_end = os.pipe()
        os.close(read_end)
        return os.fdopen(write_end, "wb", buffering=0)
    closed = io.BytesIO()
    closed.close()
    return closed


def _dropped(reason: str) -> float:
    return REGISTRY.get_sample_value("lockstep_log_lines_dropped_total", {"reason": reason}) or 0.0
