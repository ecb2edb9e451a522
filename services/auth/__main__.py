"""`python -m services.auth` serves until SIGTERM; with `create-user` it adds one person."""

import sys

from libs.runtime.logging import configure_logging
from libs.runtime.server import serve
from libs.runtime.settings import read_settings
from services.auth.app import build_app
from services.auth.command import create_user
from services.auth.settings import AuthSettings, PlatformAppSettings

if sys.argv[1:2] == ["create-user"]:
    sys.exit(create_user(sys.argv[2:]))
settings = read_settings(AuthSettings)
configure_logging("auth", settings)
serve(build_app(settings, read_settings(PlatformAppSettings)), settings.host, settings.port)
