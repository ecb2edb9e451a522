"""The built application: files in memory, precompressed variants, the document for its routes."""

import hashlib
import mimetypes
from dataclasses import dataclass, field
from pathlib import Path

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from services.web.headers import asset_headers, document_headers

BASE = "/app"
HASHED = f"{BASE}/assets/"
DOCUMENT = f"{BASE}/index.html"
# Best first; the build writes both beside each file that gets smaller.
_ENCODINGS = (("br", ".br"), ("gzip", ".gz"))
_NOT_BUILT = (
    "The browser application is not built. Run `make setup`, or npm ci and npm run build.\n"
)


@dataclass(frozen=True, slots=True)
class File:
    body: bytes
    media_type: str
    etag: str
    variants: dict[str, bytes]

    def best(self, accepted: set[str]) -> tuple[str | None, bytes]:
        for name, _ in _ENCODINGS:
            if name in accepted and name in self.variants:
                return name, self.variants[name]
        return None, self.body


@dataclass(slots=True)
class StaticFiles:
    """Everything under the build folder, read once. An empty folder is looked at again."""

    folder: Path
    public_url: str
    secure: bool
    files: dict[str, File] = field(default_factory=dict)

    def built(self) -> bool:
        if DOCUMENT not in self.files:
            self.files = read_folder(self.folder)
        return DOCUMENT in self.files

    def answer(self, request: Request) -> Response:
        """Serve a file by its exact path; other paths below /app are the application's routes."""
        if not self.built():
            return PlainTextResponse(_NOT_BUILT, status_code=503)
        path = request.scope["path"]
        if path in self.files and path != DOCUMENT:
            hashed = path.startswith(HASHED)
            headers = asset_headers(hashed=hashed, secure=self.secure)
            return _respond(request, self.files[path], headers)
        if path.startswith(HASHED) or "." in path.rsplit("/", 1)[-1]:
            return PlainTextResponse("No such file.\n", status_code=404)
        headers = document_headers(self.public_url, secure=self.secure)
        return _respond(request, self.files[DOCUMENT], headers)


def read_folder(folder: Path) -> dict[str, File]:
    """Read every file with its compressed variants, by the path it is served at."""
    found: dict[str, File] = {}
    suffixes = {suffix for _, suffix in _ENCODINGS}
    for path in sorted(folder.rglob("*")):
        # A dot file is somebody's note about the build, not part of it.
        if not path.is_file() or path.suffix in suffixes or path.name.startswith("."):
            continue
        body = path.read_bytes()
        variants = {
            name: twin.read_bytes()
            for name, suffix in _ENCODINGS
            if (twin := path.with_name(path.name + suffix)).is_file()
        }
        served = f"{BASE}/{path.relative_to(folder).as_posix()}"
        found[served] = File(body, _media_type(path), _etag(body), variants)
    return found


def _respond(request: Request, file: File, headers: dict[str, str]) -> Response:
    encoding, body = file.best(_accepted(request.headers.get("accept-encoding", "")))
    # One tag per representation (RFC 9110 8.8.3.3).
    etag = f'"{file.etag}-{encoding}"' if encoding else f'"{file.etag}"'
    headers = {**headers, "etag": etag, "vary": "Accept-Encoding"}
    if etag in request.headers.get("if-none-match", "").replace(" ", "").split(","):
        return Response(status_code=304, headers=headers)
    if encoding:
        headers["content-encoding"] = encoding
    return Response(body, media_type=file.media_type, headers=headers)


def _accepted(header: str) -> set[str]:
    """Read which encodings a browser takes; `;q=0` refuses one."""
    names = set()
    for part in header.lower().split(","):
        name, _, quality = part.strip().partition(";")
        if quality.replace(" ", "") not in {"q=0", "q=0.0"}:
            names.add(name.strip())
    return names


def _media_type(path: Path) -> str:
    known = {".js": "text/javascript", ".woff2": "font/woff2", ".svg": "image/svg+xml"}
    return (
        known.get(path.suffix) or mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    )


def _etag(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()[:20]
