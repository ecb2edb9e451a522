"""The document a broker sends the browser back to: tiny, own, without framework or third party."""

from html import escape
from pathlib import Path
from string import Template

from fastapi import APIRouter, Response
from fastapi.responses import HTMLResponse

from libs.brokers import registry
from libs.brokers.manifest import BrokerManifest
from libs.runtime.identity import public

_PAGES = Path(__file__).parent / "pages"
_DOCUMENT = Template((_PAGES / "callback.html").read_text(encoding="utf-8"))

# No Cross-Origin-Opener-Policy: with one, the page that waits would not get the message.
_HEADERS = {
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
}
_ASSETS = {"callback.js": "text/javascript", "callback.css": "text/css"}

router = APIRouter(dependencies=[public()], include_in_schema=False)


def _document(manifest: BrokerManifest) -> str:
    fields = [f for f in manifest.login_reply_fields if f not in manifest.login_refusal_fields]
    return _DOCUMENT.substitute(
        broker=escape(manifest.name),
        title=escape(manifest.title),
        fields=escape(" ".join(fields)),
    )


def _add(manifest: BrokerManifest) -> None:
    document = _document(manifest)

    async def callback() -> HTMLResponse:
        return HTMLResponse(document, headers=_HEADERS)

    router.add_api_route(manifest.callback_path, callback, methods=["GET"])


def _add_asset(name: str, media_type: str) -> None:
    content = (_PAGES / name).read_bytes()

    async def asset() -> Response:
        return Response(content, media_type=media_type, headers=_HEADERS)

    router.add_api_route(f"/broker/callback/assets/{name}", asset, methods=["GET"])


for _name, _media_type in _ASSETS.items():
    _add_asset(_name, _media_type)
for _broker in registry.BROKERS:
    _add(registry.manifest(_broker))
