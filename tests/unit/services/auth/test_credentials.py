from dataclasses import replace

import pytest
from cryptography.fernet import Fernet
from pydantic import SecretStr

from libs.brokers.protocol import PlatformApp
from libs.runtime.vault import KeyRing, Unreadable
from libs.trading.accounts import Environment
from services.auth.copies import sealed_session_json
from services.auth.credentials import Sealed, StoredSession, Strongbox
from tests.factories import NOON

GRANT = {"access_token": "canary-access", "refresh_token": "canary-refresh", "app_id": "APP-100"}
OWN_APP = PlatformApp(app_id="OWN-100", secret="canary-secret", redirect_uri="https://x.test/")


def a_ring() -> KeyRing:
    return KeyRing.from_setting(SecretStr(Fernet.generate_key().decode()))


def stored(sealed: Sealed, account_id: str = "account-1") -> StoredSession:
    return StoredSession(
        account_id=account_id,
        broker="abroker",
        client_id="XB00001",
        environment=Environment.PAPER,
        expires_at=NOON,
        egress=None,
        version=1,
        sealed=sealed,
    )


def test_what_was_sealed_opens_again_for_its_account() -> None:
    strongbox = Strongbox(a_ring(), a_ring())

    sealed = strongbox.seal_login("account-1", "abroker", GRANT, OWN_APP)

    session = strongbox.open_session(stored(sealed))
    assert session.secrets == {"access_token": "canary-access", "app_id": "APP-100"}
    assert strongbox.open_app_secret("account-1", "abroker", sealed) == "canary-secret"
    assert sealed.app_id == "OWN-100"


def test_nothing_stored_or_handed_out_shows_a_secret() -> None:
    sealed = Strongbox(a_ring(), a_ring()).seal_login("account-1", "abroker", GRANT, OWN_APP)

    shown = f"{sealed!r} {sealed_session_json(stored(sealed))}"

    assert "canary" not in shown


def test_what_gets_a_session_is_never_part_of_one() -> None:
    sealed = Strongbox(a_ring(), a_ring()).seal_login("account-1", "abroker", GRANT, OWN_APP)

    handed_out = sealed_session_json(stored(sealed))

    assert handed_out["fields"].keys() == {"access_token", "app_id"}
    assert handed_out["wrapped_key"] == sealed.session_key
    assert sealed.login_key not in str(handed_out)


def test_the_session_ring_opens_no_login_secret() -> None:
    login, session = a_ring(), a_ring()
    sealed = Strongbox(login, session).seal_login("account-1", "abroker", GRANT, OWN_APP)

    with pytest.raises(Unreadable):
        Strongbox(session, session).open_app_secret("account-1", "abroker", sealed)


def test_a_row_moved_to_another_account_is_unreadable() -> None:
    strongbox = Strongbox(a_ring(), a_ring())
    sealed = strongbox.seal_login("account-1", "abroker", GRANT, None)

    with pytest.raises(Unreadable):
        strongbox.open_session(stored(sealed, account_id="account-2"))


def test_a_session_without_its_key_is_unreadable() -> None:
    strongbox = Strongbox(a_ring(), a_ring())
    sealed = strongbox.seal_login("account-1", "abroker", GRANT, None)

    with pytest.raises(Unreadable):
        strongbox.open_session(stored(replace(sealed, session_key=None)))


def test_every_login_makes_new_keys() -> None:
    strongbox = Strongbox(a_ring(), a_ring())

    first = strongbox.seal_login("account-1", "abroker", GRANT, None)
    second = strongbox.seal_login("account-1", "abroker", GRANT, None)

    with pytest.raises(Unreadable):
        strongbox.open_session(stored(replace(first, session_key=second.session_key)))
