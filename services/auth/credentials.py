"""Broker credentials, sealed per account: what gets a session, and the session itself.

Two data keys per account. The login key covers what only auth may open; the session key covers
what executors and feeds open too. Every login makes both anew.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from libs.brokers.protocol import BrokerSession, PlatformApp
from libs.runtime.internal_client import session_place
from libs.runtime.vault import KeyRing
from libs.trading.accounts import Environment

# Fields with a column of their own; any other goes to `more_fields`.
COLUMNS = ("access_token", "refresh_token", "api_secret")

# What gets a session, and therefore never leaves auth; every other field is part of the session.
LOGIN_FIELDS = frozenset({"refresh_token", "api_secret", "password", "pin", "totp_secret"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Sealed:
    """The secrets of one account as they are stored."""

    login_key: str
    session_key: str | None
    app_id: str | None = None
    fields: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredSession:
    """One account with its sealed secrets, as far as a session needs them."""

    account_id: str
    broker: str
    client_id: str
    environment: Environment
    expires_at: datetime
    egress: str | None
    version: int
    sealed: Sealed

    def session_fields(self) -> dict[str, str]:
        return {k: v for k, v in self.sealed.fields.items() if k not in LOGIN_FIELDS}


class Strongbox:
    """Seals and opens under the two key rings of this installation."""

    def __init__(self, login_ring: KeyRing, session_ring: KeyRing) -> None:
        self._login_ring = login_ring
        self._session_ring = session_ring

    def seal_login(
        self,
        account_id: str,
        broker: str,
        credentials: Mapping[str, str],
        own_app: PlatformApp | None,
    ) -> Sealed:
        """Seal everything a login brought, and the account's own app, under two new keys."""
        session_key = self._session_ring.new_data_key()
        opened = self._session_ring.unwrap(session_key)
        app = self.seal_app(account_id, broker, own_app)
        login = self._login_ring.unwrap(app.login_key)
        fields = dict(app.fields)
        for name, text in credentials.items():
            key = login if name in LOGIN_FIELDS else opened
            fields[name] = key.seal(text, session_place(account_id, broker, name))
        return Sealed(
            login_key=app.login_key, session_key=session_key, app_id=app.app_id, fields=fields
        )

    def seal_app(self, account_id: str, broker: str, own_app: PlatformApp | None) -> Sealed:
        """Seal an account's own broker app under a new login key."""
        login_key = self._login_ring.new_data_key()
        if own_app is None:
            return Sealed(login_key=login_key, session_key=None)
        name = "api_secret"
        key = self._login_ring.unwrap(login_key)
        sealed = key.seal(own_app.secret, session_place(account_id, broker, name))
        return Sealed(
            login_key=login_key, session_key=None, app_id=own_app.app_id, fields={name: sealed}
        )

    def open_app_secret(self, account_id: str, broker: str, sealed: Sealed) -> str:
        """Open the secret of an own app. Raise `Unreadable` for anything tampered with."""
        key = self._login_ring.unwrap(sealed.login_key)
        return key.open(
            sealed.fields["api_secret"], session_place(account_id, broker, "api_secret")
        )

    def open_session(self, stored: StoredSession) -> BrokerSession:
        """Open a session. Raise `Unreadable` for anything tampered with or out of its place."""
        key = self._session_ring.unwrap(stored.sealed.session_key or "")
        return BrokerSession(
            account_id=stored.account_id,
            client_id=stored.client_id,
            environment=stored.environment,
            expires_at=stored.expires_at,
            egress=stored.egress,
            secrets={
                name: key.open(text, session_place(stored.account_id, stored.broker, name))
                for name, text in stored.session_fields().items()
            },
        )
