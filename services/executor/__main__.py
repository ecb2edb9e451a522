"""Runs one executor replica: `python -m services.executor`."""

from libs.runtime.logging import configure_logging
from libs.runtime.server import serve
from libs.runtime.settings import read_settings
from services.executor.app import build_app
from services.executor.settings import ExecutorSettings

if __name__ == "__main__":
    settings = read_settings(ExecutorSettings)
    configure_logging(f"executor.{settings.broker}", settings)
    serve(build_app(settings), settings.host, settings.port)
