"""`python -m services.signal`: settings in, the application served until SIGTERM."""

from libs.runtime.logging import configure_logging
from libs.runtime.server import serve
from libs.runtime.settings import read_settings
from services.signal.app import build_app
from services.signal.settings import SignalSettings

settings = read_settings(SignalSettings)
configure_logging("signal", settings)
serve(build_app(settings), settings.host, settings.port)
