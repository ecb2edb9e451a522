"""Runs one executor replica: `python -m services.executor`."""

import sys

from libs.runtime.logging import configure_logging
from libs.runtime.server import serve
from libs.runtime.settings import read_settings
from services.executor.app import build_app
from services.executor.settings import ExecutorSettings

# The client that sends orders hands each answer over from a thread of its own, which waits so long
# for its turn. At Python's 5 ms a thousand answers keep that thread from sending (measured: the
# last of 1,000 orders left after 250 ms, and after 150 with this).
_THREADS_TAKE_TURNS_S = 0.0003

if __name__ == "__main__":
    sys.setswitchinterval(_THREADS_TAKE_TURNS_S)
    settings = read_settings(ExecutorSettings)
    configure_logging(f"executor.{settings.broker}", settings)
    serve(build_app(settings), settings.host, settings.port)
