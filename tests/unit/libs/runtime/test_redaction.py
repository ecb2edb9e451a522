import base64
import json
from collections.abc import Callable
from dataclasses import dataclass
from itertools import product
from urllib.parse import quote

import pytest
from cryptography.fernet import Fernet

from libs.runtime.redaction import MASK, is_secret_key, redact, redact_text
from libs.runtime.vault import KeyRing, Place

JWT = (
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJ4YjAwMDAxIiwiZXhwIjoxNzk1fQ.3q2-7wAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
)
API_KEY = "lsk_2f9dk38fj2k4l5m6n7p8q9r0"
WEBHOOK = "lsw_3f9dk38fj2k4l5m6n7p8q9r0"
SIGNING = "lsh_4f9dk38fj2k4l5m6n7p8q9r0"
FERNET = Fernet(Fernet.generate_key()).encrypt(b"a canary").decode()
RING = KeyRing([Fernet.generate_key()])
SEALED = RING.unwrap(RING.new_data_key()).seal("a canary", Place("t", "c", "a", "b", "f"))


@pytest.mark.parametrize(
    "key",
    [
        "token",
        "access_token",
        "refreshToken",
        "SECRET_ID",
        "db_password",
        "pin",
        "Authorization",
        "Set-Cookie",
        "api_key",
        "apiKey",
        "postgres_dsn",
        "totp_secret",
        "ENCRYPTION_KEY",
        "auth_code",
        "credentials",
    ],
)
def test_values_under_telling_keys_are_masked(key: str) -> None:
    assert redact(None, "", {key: "anything"}) == {key: MASK}
    assert redact(None, "", {"deep": [{key: b"anything"}]}) == {"deep": [{key: MASK}]}


@pytest.mark.parametrize("key", ["pinned", "order_id", "key", "spin", "account_id", "latency_ms"])
def test_ordinary_keys_are_left_alone(key: str) -> None:
    assert not is_secret_key(key)


FORMS: dict[str, Callable[[str], str]] = {
    "raw": str,
    "base64": lambda text: base64.b64encode(text.encode()).decode(),
    "url": lambda text: quote(text, safe=""),
}


@pytest.mark.parametrize(
    ("secret", "form"),
    # What our vault sealed has no fixed beginning in base64; it is no secret either.
    [*product((JWT, API_KEY, WEBHOOK, SIGNING, FERNET), FORMS), (SEALED, "raw"), (SEALED, "url")],
)
def test_what_looks_like_a_secret_is_masked_anywhere(secret: str, form: str) -> None:
    text = FORMS[form](secret)
    event = {"event": f"asked {text} twice", "nested": {"list": [text], "tuple": (text,)}}
    out = json.dumps(redact(None, "", event))

    assert text[:24] not in out
    assert text[-12:] not in out


@pytest.mark.parametrize(
    ("text", "clear"),
    [
        ("postgresql://lockstep_auth:hunter22@db:5432/x", "hunter22"),
        ("redis://:hunter22@cache/0", "hunter22"),
        ("Authorization: Bearer abcdef.123456", "abcdef"),
        ('{"access_token": "hunter22", "a": 1}', "hunter22"),
        ("{'password': 'hunter22'}", "hunter22"),
        ("GET /x?auth_code=hunter22&state=1", "hunter22"),
        ("pin=4711 was refused", "4711"),
        ("AppIdHash totp: 123456", "123456"),
        ("INTERNAL_SERVICE_TOKEN=hunter22", "hunter22"),
        ("POST /webhooks/0198-2/hunter22?a=1 HTTP/1.1", "hunter22"),
        ('{"path": "/webhooks/0198-2/hunter22"}', "hunter22"),
    ],
)
def test_secrets_in_sentences_urls_and_payloads_are_masked(text: str, clear: str) -> None:
    masked = redact_text(text)

    assert clear not in masked
    assert MASK in masked


def test_ordinary_words_survive() -> None:
    text = "order k3v9q0m2x7b1a4z for NSE:SBIN at 14:12:33 took 3.1 ms; spinning, basic, v1.2"

    assert redact_text(text) == text


@dataclass
class Holder:
    password: str
    number: int = 3


def test_objects_are_shown_as_masked_text_only() -> None:
    out = redact(None, "", {"holder": Holder("hunter22"), "error": ValueError("pin: 4711")})

    assert out == {"holder": f"Holder(password='{MASK}', number=3)", "error": f"pin: {MASK}"}


def test_depth_and_length_are_bounded() -> None:
    endless: list[object] = []
    endless.append(endless)

    out = redact(None, "", {"endless": endless, "long": "x" * 50_000})

    assert len(str(out)) < 20_000


@pytest.mark.parametrize(
    "piece",
    [
        "x",
        "eyJ",
        "a://",
        "token ",
        "pin",
        "v1.",
        "bearer ",
        "-token-",
        "lsk_",
        "a:b@",
        "/webhooks/",
    ],
)
@pytest.mark.timeout(20)  # Work that grows with the square of the text takes many minutes.
def test_no_text_makes_masking_slow(piece: str, monkeypatch: pytest.MonkeyPatch) -> None:
    # Uncut: of what is left of a long text, such work would take but a second.
    monkeypatch.setattr("libs.runtime.redaction._TEXT_MAX", 1_000_000)

    redact_text(piece * (500_000 // len(piece)))
