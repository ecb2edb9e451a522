"""The net under the logs: masks values under telling keys and text that looks like a secret."""

import re
from collections.abc import Mapping
from functools import lru_cache
from itertools import pairwise

from structlog.typing import EventDict, WrappedLogger

MASK = "***"

_DEPTH_MAX = 6
_TEXT_MAX = 16_000
_SECRET_WORDS = {
    "authorization",
    "cookie",
    "cookies",
    "credential",
    "credentials",
    "dsn",
    "jwt",
    "otp",
    "passphrase",
    "passwd",
    "password",
    "pin",
    "secret",
    "secrets",
    "token",
    "tokens",
    "totp",
}
_SECRET_PAIRS = {("api", "key"), ("auth", "code"), ("encryption", "key"), ("private", "key")}
_WORDS = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|\d+")
_LOOKS_SECRET = re.compile(
    "|".join(
        (
            r"eyJ[\w.-]{16,}",  # JWT
            r"ls[khw]_[\w-]{6,}",  # our API keys; signing keys and secrets of webhooks
            r"gAAAA[\w-]{20,}(?:=|%3D){0,2}",  # Fernet
            r"v1\.[a-z0-9-]{1,16}\.[0-9a-f]{8}\.[\w-]{16,}=*",  # sealed by our vault
            r"(?:ZXlK|bHN[ro3]X|Z0FBQU)[\w+/-]{12,}(?:=|%3D){0,2}",  # the same, in base64 once more
        )
    )
)
# Also a guess, or a secret of which a character was lost on the way, is nobody's business.
_WEBHOOK = re.compile(r"(?P<head>/webhooks/[^/\s]{1,64}/)[^/\s?\"']{1,512}")
_USER_INFO = re.compile(r"(?P<head>://[^\s:/@]{0,64}:)[^\s/@]{1,256}(?=@)")
_BEARER = re.compile(r"(?P<head>\b(?:bearer|basic)\s{1,4})[\w.~+/:=-]{6,}", re.IGNORECASE)
_ASSIGNED = re.compile(
    r"(?P<head>(?:token|secret|password|passwd|api_?key|auth_?code|totp|cookie|authorization)"
    r"[\w-]{0,40}[\"']?\s{0,4}[:=]\s{0,4}[\"']?)(?!\*\*\*)[^\s\"',;&)}\]]+",
    re.IGNORECASE,
)
_PIN = re.compile(r"(?P<head>\bpin[\"']?\s{0,4}[:=]\s{0,4}[\"']?)[^\s\"',;&)}\]]+", re.IGNORECASE)
# Each pattern needs one of these, in lower case.
_SIGNS = (
    "eyj",
    "lsk_",
    "lsh_",
    "lsw_",
    "/webhooks/",
    "gaaaa",
    "v1.",
    "zxlk",
    "bhnrx",
    "bhnox",
    "bhn3x",
    "z0fbqu",
    "://",
    "bearer",
    "basic",
    "token",
    "secret",
    "passw",
    "apikey",
    "api_key",
    "authcode",
    "auth_code",
    "totp",
    "cookie",
    "authorization",
    "pin",
)


def redact(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """Mask an event; a structlog processor that works on copies."""
    return {key: _value_under(str(key), value, 0) for key, value in event.items()}


def redact_text(text: str) -> str:
    """Mask what looks like a secret in a sentence, a traceback or a URL."""
    lower = text.lower()
    # Nearly all texts end here: ids, names, times. The patterns cost twenty times as much.
    if len(text) <= _TEXT_MAX and not any(sign in lower for sign in _SIGNS):
        return text
    text = _LOOKS_SECRET.sub(MASK, _cut(text))
    for pattern in (_WEBHOOK, _BEARER, _USER_INFO, _ASSIGNED, _PIN):
        text = pattern.sub(rf"\g<head>{MASK}", text)
    return text


def _cut(text: str) -> str:
    # What matters of a traceback stands at its two ends.
    half = _TEXT_MAX // 2
    return text if len(text) <= _TEXT_MAX else f"{text[:half]} … {text[-half:]}"


@lru_cache(maxsize=1_024)
def is_secret_key(key: str) -> bool:
    words = [word.lower() for word in _WORDS.findall(key)]
    if key.lower() in {"apikey", "authcode"} or not _SECRET_WORDS.isdisjoint(words):
        return True
    return any(pair in _SECRET_PAIRS for pair in pairwise(words))


def _value_under(key: str, value: object, depth: int) -> object:
    if value is not None and not isinstance(value, bool) and is_secret_key(key):
        return MASK
    return _masked(value, depth)


def _masked(value: object, depth: int) -> object:
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, str):
        return redact_text(value)
    if depth >= _DEPTH_MAX:
        return "…"
    if isinstance(value, Mapping):
        return {str(key): _value_under(str(key), item, depth + 1) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_masked(item, depth + 1) for item in value]
    # Bytes, dataclasses, errors: only their text, and that masked.
    return redact_text(str(value))
