"""What makes a request the same request: its Idempotency-Key and the hash of its body."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from libs.trading.signals import Signal
from services.signal import refusals
from services.signal.proposal import Proposal
from services.signal.records import Earlier

KEY_LENGTH_MAX = 255
_HEADER = "Idempotency-Key"


@dataclass(frozen=True, slots=True, kw_only=True)
class SignalRequest:
    """A proposal and what tells it from every other request of its master."""

    master_id: str
    proposal: Proposal
    idempotency_key: str
    request_hash: bytes


def repeated(earlier: Earlier | None, request: SignalRequest) -> Signal:
    """Return the signal this request became before. Raise `Problem` when that was another body."""
    if earlier is None:
        raise LookupError("a key that is taken belongs to a signal")
    if earlier.request_hash != request.request_hash:
        raise refusals.key_reused()
    return earlier.signal


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
