"""What makes a request the same request: its Idempotency-Key and the hash of its body."""

import hashlib
from collections.abc import Mapping
from typing import Any

import orjson

from services.signal import refusals

KEY_LENGTH_MAX = 255
_HEADER = "Idempotency-Key"


def checked_key(key: str | None) -> str:
    """Return the key. Raise `Problem` when it is missing or cannot be one."""
    if not key:
        raise refusals.invalid(
            _HEADER, "the header is missing, send a new random value with each new signal"
        )
    if len(key) > KEY_LENGTH_MAX or not (key.isascii() and key.isprintable()):
        raise refusals.invalid(_HEADER, f"must be 1 to {KEY_LENGTH_MAX} printable ASCII characters")
    return key


def request_hash(body: Mapping[str, Any]) -> bytes:
    """Hash a body so that spelling does not matter: order of fields, blanks, 812.5 or 812.50.

    The body is the read one without its absent fields, so that a field added by a later version
    leaves the hashes of today's bodies alone.
    """
    return hashlib.sha256(orjson.dumps(dict(body), option=orjson.OPT_SORT_KEYS)).digest()
