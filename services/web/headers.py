"""Headers: what browsers are told with each kind of answer, and what may cross the edge.

The policy for application documents is the one docs of the browser application explain: no inline
script or style, Trusted Types on. COOP lets a broker's sign-in popup keep its opener.
"""

from collections.abc import Iterable, Mapping
from urllib.parse import urlsplit

RawHeaders = list[tuple[bytes, bytes]]

# RFC 9110 7.6.1, with those of older servers.
HOP_BY_HOP = frozenset(
    {
        b"connection",
        b"keep-alive",
        b"proxy-authenticate",
        b"proxy-authorization",
        b"proxy-connection",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
    }
)
# Said by the edge alone; a caller's own are dropped.
EDGE_ONLY = frozenset({b"x-service-token", b"forwarded", b"x-real-ip"})

_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "font-src 'self'; connect-src 'self'{sockets}; manifest-src 'self'; base-uri 'none'; "
    "form-action 'self'; frame-ancestors 'none'; object-src 'none'; "
    "require-trusted-types-for 'script'; trusted-types 'none'"
)
_EVERY_ANSWER = {"x-content-type-options": "nosniff"}
# Data opened as a page must not become one.
_API_ANSWER = {
    **_EVERY_ANSWER,
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
}
_ONE_YEAR = {"strict-transport-security": "max-age=31536000; includeSubDomains"}


def document_headers(public_url: str, *, secure: bool) -> dict[str, str]:
    """Headers of an application document. Older Safari needs the socket's own origin named."""
    host = urlsplit(public_url).netloc
    sockets = f" wss://{host}" if public_url.startswith("https://") else ""
    return {
        **_EVERY_ANSWER,
        "content-security-policy": _POLICY.format(sockets=sockets),
        "cross-origin-opener-policy": "same-origin-allow-popups",
        "cross-origin-resource-policy": "same-origin",
        "referrer-policy": "no-referrer",
        "permissions-policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
        "x-frame-options": "DENY",
        "cache-control": "no-cache",
        **(_ONE_YEAR if secure else {}),
    }


def asset_headers(*, hashed: bool, secure: bool) -> dict[str, str]:
    """Headers of a file; a hashed name never changes its bytes."""
    return {
        **_EVERY_ANSWER,
        "cross-origin-resource-policy": "same-origin",
        "cache-control": "public, max-age=31536000, immutable" if hashed else "no-cache",
        **(_ONE_YEAR if secure else {}),
    }


def api_headers(*, secure: bool) -> dict[str, str]:
    """Headers an upstream answer gets where the service said nothing itself."""
    return _API_ANSWER | (_ONE_YEAR if secure else {})


def towards_service(
    incoming: Iterable[tuple[bytes, bytes]], *, peer: str, scheme: str
) -> RawHeaders:
    """Keep what a service may see of a request, and say who really asked."""
    kept = _end_to_end(incoming)
    host = next((value for name, value in kept if name == b"host"), b"")
    return [
        *((n, v) for n, v in kept if n not in EDGE_ONLY and not n.startswith(b"x-forwarded-")),
        (b"x-forwarded-for", peer.encode()),
        (b"x-forwarded-proto", scheme.encode()),
        (b"x-forwarded-host", host),
    ]


def towards_browser(
    upstream: Iterable[tuple[bytes, bytes]], added: Mapping[str, str]
) -> RawHeaders:
    """Keep a service's headers, repeated ones apart, and add what it did not say."""
    kept = [(n, v) for n, v in _end_to_end(upstream) if n not in {b"server", b"date"}]
    said = {name for name, _ in kept}
    return kept + [(n.encode(), v.encode()) for n, v in added.items() if n.encode() not in said]


def _end_to_end(headers: Iterable[tuple[bytes, bytes]]) -> RawHeaders:
    """Drop hop-by-hop headers and those `Connection` names."""
    lowered = [(name.lower(), value) for name, value in headers]
    named = {
        token.strip().lower()
        for name, value in lowered
        if name == b"connection"
        for token in value.split(b",")
    }
    return [(n, v) for n, v in lowered if n not in HOP_BY_HOP and n not in named]
