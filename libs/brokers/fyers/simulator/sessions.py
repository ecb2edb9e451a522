"""Who may come in: PINs, single-use grants, and the sessions behind access tokens."""

import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from libs.brokers.fyers.simulator.replies import Refused
from libs.brokers.fyers.simulator.tokens import Signer
from libs.paper.server.desk import Desk
from libs.paper.server.journal import Record

FIRST_FUNDS = Decimal(1_000_000)
_CLIENT_ID = re.compile(r"[A-Z]{2}\d{5}")
_PIN = re.compile(r"\d{4}")
_SESSIONS_MAX = 100_000


class WrongLogin(ValueError):
    """The login page shows these words and asks again."""


@dataclass(slots=True, kw_only=True)
class Session:
    """One access token of one client for one app."""

    session_id: str
    client_id: str
    app_id: str
    expires_at: float


class Sessions:
    """Logins and sessions of all clients; what must outlive a restart goes through the journal."""

    def __init__(self, desk: Desk, signer: Signer, app_secret: str) -> None:
        """Keep logins in this desk's journal and replay them from there."""
        self._desk = desk
        self._signer = signer
        self._app_secret = app_secret
        self._pins: dict[str, str] = {}
        self._grants: dict[str, float] = {}
        self._alive: dict[str, Session] = {}
        self._by_header: dict[str, Session] = {}
        desk.on_replay("login", self._replay_login)
        desk.on_replay("session", self._replay_session)
        desk.on_replay("sessions_ended", lambda it: self._forget(it["session_ids"]))
        desk.on_reset(self._start_over)

    def log_in(self, client_id: str, pin: str) -> None:
        """Check the PIN; a client id nobody used before is opened with it. Raise `WrongLogin`."""
        if not _CLIENT_ID.fullmatch(client_id):
            raise WrongLogin("A client ID is two letters and five digits, like XB12345.")
        if not _PIN.fullmatch(pin):
            raise WrongLogin("The PIN is four digits.")
        known = self._pins.get(client_id)
        if known is None:
            self.open_account(client_id, FIRST_FUNDS, pin)
        elif not hmac.compare_digest(known, _pin_hash(client_id, pin)):
            raise WrongLogin("That is not the PIN this client ID was opened with.")

    def open_account(self, client_id: str, funds: Decimal, pin: str) -> None:
        if not _CLIENT_ID.fullmatch(client_id):
            raise WrongLogin("client_id must be two letters and five digits, like XB12345")
        self._desk.open_account(client_id, funds)
        self._pins[client_id] = _pin_hash(client_id, pin)
        self._desk.write("login", client_id=client_id, pin=self._pins[client_id])

    def grant(self, client_id: str, app_id: str) -> str:
        """Make an `auth_code` that can be exchanged once."""
        at = self._desk.clock()
        code = self._signer.grant(at, client_id=client_id, app_id=app_id)
        self._grants = {
            known: until for known, until in self._grants.items() if until > at.timestamp()
        }
        claims = self._signer.read(code, "auth_code") or {}
        self._grants[code] = claims["exp"]
        return code

    def exchange(self, app_id_hash: object, code: object) -> tuple[str, str, Session]:
        """Turn an `auth_code` into access token, refresh token and session. Raise `Refused`."""
        if not isinstance(app_id_hash, str) or not app_id_hash:
            raise Refused(-371, "appIdHash is required")
        if not isinstance(code, str) or not code:
            raise Refused(-374, "code is required")
        at = self._desk.clock()
        claims = self._signer.read(code, "auth_code")
        if claims is None or self._grants.get(code, 0) <= at.timestamp():
            raise Refused(-437, "invalid auth code")
        expected = hashlib.sha256(f"{claims['app_id']}:{self._app_secret}".encode()).hexdigest()
        if not hmac.compare_digest(expected.encode(), app_id_hash.encode()):
            raise Refused(-5, "invalid app id hash")
        del self._grants[code]
        return self._open(claims["fy_id"], claims["app_id"], at)

    def of_header(self, authorization: str) -> Session:
        """Find the live session of an `app_id:token` header. Raise `Refused` with -8 or -16."""
        session = self._by_header.get(authorization)
        if session is None:
            session = self._read_header(authorization)
        if session.expires_at <= self._desk.clock().timestamp():
            raise Refused(-8, "Your token has expired. Please generate a token")
        return session

    def end(self, client_id: str | None, app_id: str | None = None) -> list[str]:
        """End sessions of a client (of all: None), of one app or of all; return whose they were."""
        ended = [
            session
            for session in self._alive.values()
            if client_id in {None, session.client_id} and app_id in {None, session.app_id}
        ]
        if ended:
            ids = [session.session_id for session in ended]
            self._desk.write("sessions_ended", session_ids=ids)
            self._forget(ids)
        return [session.client_id for session in ended]

    def is_alive(self, session: Session) -> bool:
        return (
            session.session_id in self._alive
            and session.expires_at > self._desk.clock().timestamp()
        )

    @property
    def count(self) -> int:
        return len(self._alive)

    def _open(self, client_id: str, app_id: str, at: datetime) -> tuple[str, str, Session]:
        session_id = secrets.token_hex(16)
        token = self._signer.access_token(at, client_id=client_id, session_id=session_id)
        expires_at = (self._signer.read(token, "access_token") or {})["exp"]
        session = Session(
            session_id=session_id, client_id=client_id, app_id=app_id, expires_at=expires_at
        )
        self._keep(session)
        self._desk.write(
            "session",
            session_id=session_id,
            client_id=client_id,
            app_id=app_id,
            expires_at=expires_at,
        )
        return token, self._signer.refresh_token(at, client_id), session

    def _keep(self, session: Session) -> None:
        if len(self._alive) >= _SESSIONS_MAX:
            now = self._desk.clock().timestamp()
            self._forget([key for key, it in self._alive.items() if it.expires_at <= now])
        self._alive[session.session_id] = session

    def _read_header(self, authorization: str) -> Session:
        app_id, _, token = authorization.partition(":")
        claims = self._signer.read(token, "access_token")
        session = self._alive.get(claims["jti"]) if claims else None
        if session is None or session.app_id != app_id:
            raise Refused(-16, "Could not authenticate the user")
        self._by_header[authorization] = session
        return session

    def _forget(self, session_ids: list[str]) -> None:
        for session_id in session_ids:
            self._alive.pop(session_id, None)
        self._by_header = {
            header: it for header, it in self._by_header.items() if it.session_id in self._alive
        }

    def _replay_login(self, record: Record) -> None:
        self._pins[record["client_id"]] = record["pin"]

    def _replay_session(self, record: Record) -> None:
        facts = ("session_id", "client_id", "app_id", "expires_at")
        self._keep(Session(**{name: record[name] for name in facts}))

    def _start_over(self) -> None:
        self._pins.clear()
        self._grants.clear()
        self._alive.clear()
        self._by_header.clear()


def _pin_hash(client_id: str, pin: str) -> str:
    return hashlib.sha256(f"{client_id}:{pin}".encode()).hexdigest()
