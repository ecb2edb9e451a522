"""`python -m services.simulator`: settings in, one broker's simulator served until SIGTERM."""

from libs.paper.server.journal import StateInUse
from libs.runtime.logging import configure_logging
from libs.runtime.server import serve
from libs.runtime.settings import read_settings
from services.simulator.app import build_app
from services.simulator.settings import SimulatedAppSettings, SimulatorSettings

settings = read_settings(SimulatorSettings)
configure_logging("simulator", settings)
try:
    app = build_app(settings, read_settings(SimulatedAppSettings))
except StateInUse as error:
    raise SystemExit(str(error)) from None
serve(app, settings.host, settings.listening_port)
