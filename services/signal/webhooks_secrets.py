"""Secrets of webhooks: made here, shown once, kept so that the database alone opens nothing.

The path's secret is kept as its hash. The signing key has to be known again to check a signature,
so it is encrypted, under a key derived from the path's secret, which arrives with every alert and
is stored nowhere: a copy of the database does not sign, and neither does who saw only the path.
"""

import base64
import hashlib
import hmac
import secrets

from cryptography.fernet import Fernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

# Their beginnings are what the net under the logs knows them by.
_SECRET_PREFIX = "lsw_"  # noqa: S105  # How every secret begins.
_SIGNING_PREFIX = "lsh_"
_RANDOM_BYTES = 32
_PURPOSE = b"lockstep webhook signing key"


def new_secret() -> str:
    return _SECRET_PREFIX + secrets.token_urlsafe(_RANDOM_BYTES)


def new_signing_key() -> str:
    return _SIGNING_PREFIX + secrets.token_urlsafe(_RANDOM_BYTES)


def hash_of(secret: str) -> bytes:
    # Without salt and once: 256 random bits can not be guessed back from their hash.
    return hashlib.sha256(secret.encode()).digest()


def sealed(signing_key: str, secret: str) -> str:
    return _box(secret).encrypt(signing_key.encode()).decode()


def signature_fits(given: str, body: bytes, *, sealed_key: str, secret: str) -> bool:
    """Compare the HMAC-SHA-256 of the raw body, in hex, with or without `sha256=` before it."""
    key = _box(secret).decrypt(sealed_key.encode())
    expected = hmac.new(key, body, hashlib.sha256).hexdigest()
    written = given.strip().lower().removeprefix("sha256=")
    return hmac.compare_digest(expected.encode(), written.encode())


def _box(secret: str) -> Fernet:
    derived = HKDF(SHA256(), length=32, salt=None, info=_PURPOSE).derive(secret.encode())
    return Fernet(base64.urlsafe_b64encode(derived))
