"""`python -m services.streaming`: settings in, the application served until SIGTERM."""

from libs.runtime.logging import configure_logging
from libs.runtime.server import serve
from libs.runtime.settings import read_settings
from services.streaming.app import build_app
from services.streaming.settings import StreamingSettings

settings = read_settings(StreamingSettings)
configure_logging("streaming", settings)
serve(build_app(settings), settings.host, settings.port)
