"""`python -m services.auth` serves until SIGTERM; with `create-user` it adds one person."""

import sys

from libs.runtime.logging import configure_logging
from libs.runtime.server import serve
from libs.runtime.settings import WrongSettings, read_settings
from services.auth.app import build_app
from services.auth.command import create_user
from services.auth.settings import AuthSettings, PlatformAppSettings

if sys.argv[1:2] == ["create-user"]:
    sys.exit(create_user(sys.argv[2:]))
try:
    settings, apps = read_settings(AuthSettings), read_settings(PlatformAppSettings)
except WrongSettings as error:
    sys.exit(f"auth cannot start:\n{error}")
configure_logging("auth", settings)
serve(build_app(settings, apps), settings.host, settings.port)
