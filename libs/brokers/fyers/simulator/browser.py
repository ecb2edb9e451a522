"""What a person sees: sign in, allow or deny, and the way back to the application.

`GET /generate-authcode` as in the v3 reference; the pages between it and the redirect are ours.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import parse_qs, urlencode, urlsplit

from libs.brokers.fyers.simulator import pages
from libs.brokers.fyers.simulator.endpoints import API, Endpoint
from libs.brokers.fyers.simulator.sessions import Sessions, WrongLogin
from libs.brokers.fyers.simulator.tokens import Signer
from libs.paper.server.desk import Desk
from libs.paper.server.knobs import Operation
from libs.paper.server.requests import Answer, Arrival

LOGIN_PATH = f"{API}/generate-authcode"
CONSENT_PATH = f"{API}/generate-authcode/consent"
_DENIED = "-1"
_HEADERS = (
    (b"cache-control", b"no-store"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-content-type-options", b"nosniff"),
    # No form-action: browsers apply it to the redirect back to the application too.
    (b"content-security-policy", b"default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'"),
)


@dataclass(frozen=True, slots=True)
class _Request:
    """What the application asked for in its link."""

    app_id: str
    redirect_uri: str
    state: str


class Browser:
    """The pages; what one page knows travels to the next in a signed ticket."""

    def __init__(self, desk: Desk, sessions: Sessions, signer: Signer) -> None:
        """Sign people in to these sessions."""
        self._desk = desk
        self._sessions = sessions
        self._signer = signer
        self._table: Mapping[tuple[str, str], Endpoint] = {
            (method, path): Endpoint(Operation.LOGIN, handle, needs_session=False)
            for method, path, handle in (
                ("GET", LOGIN_PATH, self.show_login),
                ("POST", LOGIN_PATH, self.take_login),
                ("POST", CONSENT_PATH, self.take_consent),
            )
        }

    def find(self, method: str, path: str) -> Endpoint | None:
        return self._table.get((method, path))

    def show_login(self, arrival: Arrival) -> Answer:
        request = _asked(arrival.query)
        return _broken(request) if isinstance(request, str) else _page(pages.login(request.app_id))

    def take_login(self, arrival: Arrival) -> Answer:
        request, form = _asked(arrival.query), _form(arrival.body)
        if isinstance(request, str):
            return _broken(request)
        client_id = form.get("client_id", "").strip().upper()
        try:
            self._sessions.log_in(client_id, form.get("pin", ""))
        except WrongLogin as problem:
            return _page(pages.login(request.app_id, client_id, str(problem)), 400)
        ticket = self._signer.ticket(
            self._desk.clock(),
            client_id=client_id,
            app_id=request.app_id,
            redirect_uri=request.redirect_uri,
            state=request.state,
        )
        return _page(
            pages.consent(
                app_id=request.app_id, client_id=client_id, ticket=ticket, action=CONSENT_PATH
            )
        )

    def take_consent(self, arrival: Arrival) -> Answer:
        form = _form(arrival.body)
        ticket = self._signer.read(form.get("ticket", ""), "login_ticket")
        if ticket is None or ticket["exp"] <= self._desk.clock().timestamp():
            return _broken("The sign-in took too long.")
        if form.get("decision") != "allow":
            return _redirect(denied(ticket["redirect_uri"], ticket["state"]))
        target = self.authorize(
            client_id=ticket["client_id"],
            app_id=ticket["app_id"],
            redirect_uri=ticket["redirect_uri"],
            state=ticket["state"],
        )
        return _redirect(target)

    def authorize(self, *, client_id: str, app_id: str, redirect_uri: str, state: str) -> str:
        """Grant access and return the address the browser is sent to."""
        self._desk.exchange.account(client_id)
        code = self._sessions.grant(client_id, app_id)
        return _with_query(redirect_uri, s="ok", code="200", auth_code=code, state=state)


def denied(redirect_uri: str, state: str) -> str:
    message = "user denied access"
    return _with_query(redirect_uri, s="error", code=_DENIED, message=message, state=state)


def _asked(query: str) -> _Request | str:
    """Read the application's link, or say what is wrong with it."""
    given = {name: values[0] for name, values in parse_qs(query).items()}
    if not given.get("client_id"):
        return "client_id (the app id) is missing."
    if given.get("response_type") != "code":
        return "response_type must be code."
    target = urlsplit(given.get("redirect_uri", ""))
    if target.scheme not in {"http", "https"} or not target.hostname:
        return "redirect_uri must be an http or https address."
    return _Request(given["client_id"], given["redirect_uri"], given.get("state", ""))


def _form(body: bytes) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(body.decode(errors="replace")).items()}


def _with_query(address: str, **query: str) -> str:
    separator = "&" if urlsplit(address).query else "?"
    return f"{address}{separator}{urlencode(query)}"


def _page(html: bytes, status: int = 200) -> Answer:
    return Answer(
        status=status, body=html, content_type=b"text/html; charset=utf-8", headers=_HEADERS
    )


def _broken(problem: str) -> Answer:
    return _page(pages.broken_link(problem), 400)


def _redirect(target: str) -> Answer:
    headers = (*_HEADERS, (b"location", target.encode()))
    return Answer(status=303, body=b"", content_type=b"text/plain", headers=headers)
