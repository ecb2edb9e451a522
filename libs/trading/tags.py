"""Our name for an order at a broker: minted before sending, recognised anywhere without a lookup.

Fifteen characters of [a-z0-9], the longest that every supported broker takes: eleven random ones
(over 56 bits) and four from an HMAC over them, under a key that signal and executor share. Nothing
meaningful stands inside, because broker and follower can read it.
"""

import hashlib
import hmac
import re
import secrets

TAG_LENGTH = 15
_RANDOM_LENGTH = 11
_ALPHABET = "abcdefghijklmnopqrstuvwxyz0123456789"
_SHAPE = re.compile(rf"[a-z0-9]{{{TAG_LENGTH}}}")
# A byte to a letter. Four letters come up eight times in 256, the others seven times.
_LETTER_OF_BYTE = bytes(ord(_ALPHABET[byte % len(_ALPHABET)]) for byte in range(256))


def mint_client_order_id(key: bytes) -> str:
    random_part = _letters(secrets.token_bytes(_RANDOM_LENGTH))
    return random_part + _check(key, random_part)


def is_ours(key: bytes, tag: str | None) -> bool:
    """Tell whether a tag seen at a broker was minted under this key."""
    if tag is None or not _SHAPE.fullmatch(tag):
        return False
    return hmac.compare_digest(_check(key, tag[:_RANDOM_LENGTH]), tag[_RANDOM_LENGTH:])


def _check(key: bytes, random_part: str) -> str:
    digest = hmac.digest(key, random_part.encode(), hashlib.sha256)
    return _letters(digest[: TAG_LENGTH - _RANDOM_LENGTH])


def _letters(raw: bytes) -> str:
    return raw.translate(_LETTER_OF_BYTE).decode()
