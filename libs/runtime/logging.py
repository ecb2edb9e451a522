"""Logs as JSON lines on stdout: one shape for all processes, secrets masked, never in the way."""

import json
import logging
import sys
import time
from typing import TextIO

import orjson
import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from libs.runtime.log_writer import LineWriter
from libs.runtime.redaction import redact
from libs.runtime.settings import LogSettings

# Chatty below this level; what they say above it matters.
_QUIET = {
    "aiokafka": logging.WARNING,
    "asyncio": logging.WARNING,
    "httpcore": logging.WARNING,
    "httpx": logging.WARNING,
    "lockstep.bus": logging.WARNING,  # FastStream's own words
    "stamina": logging.WARNING,
    "uvicorn.access": logging.CRITICAL,
    "yoyo": logging.WARNING,
}

# Repeats itself several times a second while Kafka is away.
_REPETITIVE = "aiokafka"
_REPEAT_S = 30.0
_SAID_MAX = 1_000


def configure_logging(
    service: str, settings: LogSettings, stream: TextIO | None = None
) -> LineWriter:
    """Send structlog's and the standard library's records through one chain to stdout."""
    level = logging.getLevelNamesMapping()[settings.log_level]
    writer = LineWriter((stream or sys.stdout).buffer)
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
        _named(service),
        structlog.processors.format_exc_info,
        redact,
    ]
    renderer = _renderer(settings)
    structlog.configure(
        processors=[*shared, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=lambda *_: _LineLogger(writer),
        cache_logger_on_first_use=False,
    )
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[*shared[:4], structlog.stdlib.ExtraAdder(), *shared[4:]],
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
    )
    _route_standard_library(_LineHandler(writer, formatter), level)
    return writer


def _route_standard_library(handler: logging.Handler, level: int) -> None:
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level)
    logging.captureWarnings(capture=True)
    for name in ("uvicorn", "uvicorn.error"):
        logging.getLogger(name).handlers.clear()
        logging.getLogger(name).propagate = True
    for name, quiet in _QUIET.items():
        logging.getLogger(name).setLevel(max(level, quiet))


def _named(service: str) -> Processor:
    def add(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
        event["service"] = service
        return event

    return add


def _renderer(settings: LogSettings) -> Processor:
    if settings.log_format == "console":
        return structlog.dev.ConsoleRenderer(colors=False)
    return structlog.processors.JSONRenderer(serializer=_json)


def _json(event: object, **_: object) -> str:
    try:
        return orjson.dumps(event, default=str, option=orjson.OPT_NON_STR_KEYS).decode()
    except TypeError:  # A lone surrogate or a number above 64 bits.
        return json.dumps(event, default=str)


class _LineLogger:
    """What structlog writes to, once a line is rendered."""

    def __init__(self, writer: LineWriter) -> None:
        self._writer = writer

    def msg(self, message: str) -> None:
        self._writer.write(message)

    log = debug = info = warn = warning = error = err = critical = fatal = exception = failure = msg


class _LineHandler(logging.Handler):
    def __init__(self, writer: LineWriter, formatter: logging.Formatter) -> None:
        super().__init__()
        self._writer = writer
        self._said: dict[tuple[str, str], float] = {}
        self.setFormatter(formatter)

    def filter(self, record: logging.LogRecord) -> bool:
        """Let a line of a library through once per `_REPEAT_S`; a dead server fills no disk."""
        if not record.name.startswith(_REPETITIVE):
            return True
        line, now = (record.name, record.msg), time.monotonic()
        if now - self._said.get(line, -_REPEAT_S) < _REPEAT_S:
            return False
        if len(self._said) >= _SAID_MAX:
            self._said.clear()
        self._said[line] = now
        return True

    def emit(self, record: logging.LogRecord) -> None:
        self._writer.write(self.format(record))
