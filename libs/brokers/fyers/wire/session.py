"""How a request proves at FYERS whose it is (API v3 reference, authentication)."""

from collections.abc import Mapping

from libs.brokers.errors import SessionExpired
from libs.brokers.http import clean_header
from libs.brokers.protocol import BrokerSession

# Sent with every authenticated call, GET included, as the official SDK does.
COMMON_HEADERS: Mapping[str, str] = {"Content-Type": "application/json", "version": "3"}


def authorization(app_id: str, access_token: str) -> dict[str, str]:
    """Build `Authorization: <app id>:<access token>`; there is no scheme word."""
    value = f"{app_id}:{access_token}"
    if not clean_header(value):
        raise SessionExpired("the stored access token cannot be sent, log in again")
    return {"Authorization": value}


def authorization_of(session: BrokerSession) -> dict[str, str]:
    """Raise `SessionExpired` for a session without app id or access token."""
    try:
        return authorization(session.secrets["app_id"], session.secrets["access_token"])
    except KeyError as error:
        raise SessionExpired(f"the session has no {error.args[0]}") from None
