"""Credentials at rest: a data key per account, wrapped by the key ring; values bound to a place.

Stored form `v1.<alg>.<kid>.<payload>`. Fernet knows no associated data, so the place is sealed with
the text and compared after opening. Destroying the wrapped data key makes every value unreadable.
"""

import binascii
import hashlib
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import asdict, dataclass
from typing import NewType

import orjson
from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from pydantic import SecretStr

WrappedKey = NewType("WrappedKey", str)

_VERSION = "v1"
_FERNET = "fernet"
_FORM = re.compile(r"v1\.([a-z0-9]+)\.([0-9a-f]{8})\.([A-Za-z0-9_-]+={0,2})", re.ASCII)
_KID_CHARACTERS = 8


class Unreadable(Exception):
    """Tampered with, moved from its place, or sealed by a key we do not have. Says no more."""


class BadKey(Exception):
    """The setting is not a list of Fernet keys."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a sealed value belongs; it opens nowhere else."""

    table: str
    column: str
    account_id: str
    broker: str
    field: str


class KeyRing:
    """The keys that wrap data keys: the first wraps, all unwrap."""

    __slots__ = ("_by_kid", "_kid")

    def __init__(self, keys: list[bytes]) -> None:
        self._by_kid = {_kid(key): Fernet(key) for key in keys}
        self._kid = _kid(keys[0])

    @classmethod
    def from_setting(cls, secret: SecretStr) -> "KeyRing":
        """Read a comma list of Fernet keys, the current one first. Raise `BadKey`."""
        texts = [part.strip() for part in secret.get_secret_value().split(",")]
        keys = [text.encode() for text in texts if text]
        if not keys or not all(map(_is_fernet_key, keys)):
            raise BadKey(
                "an encryption key is not a Fernet key (44 characters of URL-safe base64): make "
                "one with cryptography.fernet.Fernet.generate_key()"
            )
        return cls(keys)

    def new_data_key(self) -> WrappedKey:
        return self._wrap(Fernet.generate_key())

    def unwrap(self, wrapped: str) -> "DataKey":
        """Raise `Unreadable` when it was tampered with, or wrapped by a key we lack."""
        return DataKey(self._unwrapped(wrapped))

    def rotate(self, wrapped: str) -> WrappedKey:
        """Wrap the same data key by the current key."""
        return self._wrap(self._unwrapped(wrapped))

    def is_current(self, wrapped: str) -> bool:
        return _parts(wrapped)[0] == self._kid

    def _wrap(self, key: bytes) -> WrappedKey:
        token = MultiFernet([self._by_kid[self._kid]]).encrypt(key)
        return WrappedKey(f"{_VERSION}.{_FERNET}.{self._kid}.{token.decode()}")

    def _unwrapped(self, wrapped: str) -> bytes:
        kid, token = _parts(wrapped)
        if kid not in self._by_kid:
            raise Unreadable("wrapped by a key this process does not have")
        key = _opened(self._by_kid[kid], token)
        if not _is_fernet_key(key):
            raise Unreadable("not a data key")
        return key

    def __repr__(self) -> str:
        return "KeyRing(***)"


class DataKey:
    """Seals and opens the values of one account."""

    __slots__ = ("_fernet", "_kid")

    def __init__(self, key: bytes) -> None:
        self._fernet = Fernet(key)
        self._kid = _kid(key)

    def seal(self, text: str, place: Place) -> str:
        token = self._fernet.encrypt(orjson.dumps([asdict(place), text]))
        return f"{_VERSION}.{_FERNET}.{self._kid}.{token.decode()}"

    def open(self, sealed: str, place: Place) -> str:
        """Raise `Unreadable` for any change of the text, another place or another key."""
        kid, token = _parts(sealed)
        if kid != self._kid:
            raise Unreadable("sealed by another key")
        stored_place, text = orjson.loads(_opened(self._fernet, token))
        if stored_place != asdict(place):
            raise Unreadable("sealed for another place")
        return str(text)

    def __repr__(self) -> str:
        return "DataKey(***)"


def _parts(stored: str) -> tuple[str, bytes]:
    match = _FORM.fullmatch(stored)
    if match is None or match[1] != _FERNET:
        raise Unreadable("not a form we know")
    token = match[3].encode()
    # The last character may carry bits that mean nothing: only one spelling is ours.
    if not _is_canonical(token):
        raise Unreadable("tampered with")
    return match[2], token


def _opened(fernet: Fernet, token: bytes) -> bytes:
    try:
        return fernet.decrypt(token)
    except InvalidToken:
        raise Unreadable("tampered with") from None


def _is_canonical(token: bytes) -> bool:
    try:
        return urlsafe_b64encode(urlsafe_b64decode(token)) == token
    except binascii.Error:
        return False


def _kid(key: bytes) -> str:
    return hashlib.sha256(key).hexdigest()[:_KID_CHARACTERS]


def _is_fernet_key(key: bytes) -> bool:
    return len(key) == 44 and _is_canonical(key)
