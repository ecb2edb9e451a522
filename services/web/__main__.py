"""Starts the edge."""

from libs.runtime.logging import configure_logging
from libs.runtime.server import serve
from libs.runtime.settings import read_settings
from services.web.app import build_app
from services.web.settings import WebSettings

if __name__ == "__main__":
    settings = read_settings(WebSettings)
    configure_logging("web", settings)
    serve(build_app(settings), settings.host, settings.port)
