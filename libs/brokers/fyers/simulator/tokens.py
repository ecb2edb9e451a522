"""JWTs in FYERS's shape, signed with a key that lies beside the journal so they outlive a restart.

Claims as seen in public samples of the v3 API (page section on the access token); a trading
session's tokens die at the next 06:00 in India.
"""

import os
import secrets
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from pathlib import Path
from typing import Any

import jwt
from jwt.types import Options

from libs.trading.calendar import next_time_in_india

_ISSUER = "api.fyers.in"
_TOKENS_DIE_AT = time(6)
_GRANT_LIFE = timedelta(minutes=5)
_TICKET_LIFE = timedelta(minutes=10)
_REFRESH_LIFE = timedelta(days=15)
# The injected clock decides expiry, not the library's.
_ONLY_THE_SIGNATURE = Options(
    verify_exp=False, verify_nbf=False, verify_iat=False, verify_aud=False
)


@dataclass(frozen=True, slots=True)
class Signer:
    """Makes and reads tokens; every kind names itself in `sub`."""

    key: bytes

    def grant(self, at: datetime, *, client_id: str, app_id: str) -> str:
        """Make the single-use `auth_code`."""
        return self._sign(at, at + _GRANT_LIFE, sub="auth_code", fy_id=client_id, app_id=app_id)

    def ticket(self, at: datetime, **facts: str) -> str:
        """Make what the login page hands to the consent page."""
        return self._sign(at, at + _TICKET_LIFE, sub="login_ticket", **facts)

    def refresh_token(self, at: datetime, client_id: str) -> str:
        return self._sign(at, at + _REFRESH_LIFE, sub="refresh_token", fy_id=client_id)

    def access_token(self, at: datetime, *, client_id: str, session_id: str) -> str:
        return self._sign(
            at,
            next_time_in_india(at, _TOKENS_DIE_AT),
            sub="access_token",
            jti=session_id,
            aud=["d:1", "d:2", "x:0", "x:1", "x:2"],
            at_hash=secrets.token_urlsafe(32),
            display_name=client_id,
            oms="K1",
            hsm_key=secrets.token_hex(28),
            isDdpiEnabled="N",
            isMtfEnabled="N",
            fy_id=client_id,
            appType=100,
            poa_flag="N",
        )

    def read(self, token: str, sub: str) -> dict[str, Any] | None:
        """Return the claims of a genuine token of this kind, expired or not; else None."""
        try:
            claims: dict[str, Any] = jwt.decode(
                token,
                self.key,
                algorithms=["HS256"],
                options=_ONLY_THE_SIGNATURE,
            )
        except jwt.InvalidTokenError:
            return None
        return claims if claims.get("sub") == sub else None

    def _sign(self, at: datetime, expires_at: datetime, **claims: object) -> str:
        issued = int(at.timestamp())
        times = {"iat": issued, "nbf": issued, "exp": int(expires_at.timestamp())}
        unique: dict[str, object] = {"jti": secrets.token_hex(16)} | claims
        return jwt.encode({"iss": _ISSUER, **times, **unique}, self.key, algorithm="HS256")


def load_signer(state_dir: Path) -> Signer:
    """Read the signing key of this state, making one for a new state."""
    path = state_dir / "signing.key"
    if not path.exists():
        state_dir.mkdir(parents=True, exist_ok=True)
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(file, "w") as handle:
            handle.write(secrets.token_hex(32))
    return Signer(bytes.fromhex(path.read_text()))
