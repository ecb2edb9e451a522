"""Writes what the browser may ask each service, as OpenAPI, for the application's typed client.

`python -m deploy.openapi` writes services/web/app/openapi/*.json; with `--check` it only compares
and names what differs. Paths the edge does not route are left out.
"""

import json
import sys
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from pydantic import SecretStr

from libs.brokers.registry import BROKERS
from services.auth.app import build_app as build_auth
from services.auth.settings import AuthSettings, PlatformAppSettings
from services.executor.app import build_app as build_executor
from services.executor.settings import ExecutorSettings
from services.signal.app import build_app as build_signal
from services.signal.settings import SignalSettings
from services.streaming.app import build_app as build_streaming
from services.streaming.settings import StreamingSettings
from services.web.routing import target_of

FOLDER = Path(__file__).parents[1] / "services" / "web" / "app" / "openapi"
_REMEDY = "run `python -m deploy.openapi`, then `npm run types` in services/web/app"


def documents() -> dict[str, dict[str, Any]]:
    """Build each service's document; nothing is connected to."""
    return {name: _routed(app.openapi()) for name, app in apps().items()}


def differences(folder: Path = FOLDER) -> list[str]:
    """Name the documents that are not what the services say today."""
    return [
        name
        for name, document in documents().items()
        if not (path := folder / f"{name}.json").is_file() or path.read_text() != _text(document)
    ]


def write(folder: Path = FOLDER) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, document in documents().items():
        (folder / f"{name}.json").write_text(_text(document))


def apps() -> dict[str, FastAPI]:
    """Build every service that people reach; nothing is connected to."""
    # Never used: a document needs no server and no key.
    unused = SecretStr("unused-" * 5)
    shared: dict[str, Any] = {"postgres_dsn": unused, "internal_service_token": unused}
    sessions: dict[str, Any] = shared | {"session_encryption_key": unused}
    return {
        "auth": build_auth(AuthSettings(**sessions, encryption_key=unused), PlatformAppSettings()),
        "signal": build_signal(SignalSettings(**shared, order_tag_key=unused)),
        "executor": build_executor(
            ExecutorSettings(**sessions, broker=BROKERS[0], order_tag_key=unused)
        ),
        "streaming": build_streaming(StreamingSettings(**sessions)),
    }


def _routed(document: dict[str, Any]) -> dict[str, Any]:
    document["paths"] = {
        path: item for path, item in sorted(document["paths"].items()) if target_of(path)
    }
    return document


def _text(document: dict[str, Any]) -> str:
    return json.dumps(document, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def main(arguments: list[str]) -> int:
    if "--check" not in arguments:
        write()
        return 0
    changed = differences()
    if changed:
        sys.stderr.write(f"openapi: {', '.join(changed)} changed; {_REMEDY}\n")
    return 1 if changed else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
