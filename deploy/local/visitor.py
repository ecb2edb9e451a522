"""One demo person in front of the product: signs in, connects a broker through its login pages.

Everything goes over the same HTTP as a browser's; nothing here knows a broker.
"""

import ssl
import uuid
from html.parser import HTMLParser
from typing import Any, Self
from urllib.parse import parse_qsl, urljoin, urlsplit

import httpx

from deploy.local.problems import Problem

_COOKIE = "lockstep"
_PAGES_MAX = 8
_TIMEOUT_S = 30
# Made once: reading the certificates costs more than everything else a visitor does.
_TLS = ssl.create_default_context()


class Visitor:
    """A browser of its own. `cookie` is an earlier sign-in's, used as long as it works."""

    def __init__(self, address: str, cookie: str | None = None) -> None:
        self._address = address
        cookies = {_COOKIE: cookie} if cookie else None
        self._http = httpx.AsyncClient(
            base_url=address,
            cookies=cookies,
            headers={"Origin": address},
            timeout=_TIMEOUT_S,
            verify=_TLS,
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *details: object) -> None:
        await self._http.aclose()

    @property
    def cookie(self) -> str | None:
        return self._http.cookies.get(_COOKIE)

    async def signed_in(self) -> bool:
        if not self.cookie:
            return False
        return (await self._http.get("/auth/me")).is_success

    async def sign_in(self, email: str, password: str) -> None:
        self._http.cookies.clear()
        await self.call("POST", "/auth/sign-in", {"email": email, "password": password})

    async def emit(self, body: dict[str, Any]) -> dict[str, Any]:
        """Send a signal as the master who is signed in."""
        return await self.call("POST", "/signals", body, key=uuid.uuid4().hex)

    async def reverse(self, body: dict[str, Any]) -> dict[str, Any]:
        """Turn a position round: answers with an exit and an entry."""
        return await self.call("POST", "/signals/reversals", body, key=uuid.uuid4().hex)

    async def call(
        self,
        method: str,
        path: str,
        body: dict[str, Any] | None = None,
        *,
        fine: int | None = None,
        key: str | None = None,
    ) -> dict[str, Any]:
        """Ask for JSON. Raise a `Problem` unless it succeeds or answers what counts as `fine`."""
        headers = {"Idempotency-Key": key} if key else None
        answer = await self._http.request(method, path, json=body, headers=headers)
        if not answer.is_success and answer.status_code != fine:
            raise Problem(
                f"The product refused what the demo asked: {method} {path} answered "
                f"{answer.status_code} {answer.text[:200]}",
                "Read the log of that service, then run the same command again",
            )
        found: dict[str, Any] = answer.json()
        return found

    async def connect(self, link: str, typed: dict[str, str]) -> dict[str, Any]:
        """Follow the broker's login to the end, as a person would, and finish the connection."""
        begun = await self.call("GET", f"{link}/auth-url")
        reply = await self._log_in(begun["data"]["url"], typed)
        return await self.call("POST", f"{link}/connect", reply)

    async def _log_in(self, url: str, typed: dict[str, str]) -> dict[str, str]:
        """Fill in the broker's pages until it sends us back; return what it put in the address."""
        home = urlsplit(self._address).netloc
        async with httpx.AsyncClient(timeout=_TIMEOUT_S, verify=_TLS) as pages:
            answer = await pages.get(url)
            for _ in range(_PAGES_MAX):
                where = str(answer.url)
                if answer.is_redirect:
                    target = urljoin(where, answer.headers["location"])
                    if urlsplit(target).netloc == home:
                        return dict(parse_qsl(urlsplit(target).query))
                    answer = await pages.get(target)
                    continue
                form = Form(answer.text)
                answer = await pages.post(urljoin(where, form.action), data=form.filled(typed))
        raise Problem(f"The login of {urlsplit(url).netloc} does not end", "Read its log")


class Form(HTMLParser):
    """The form of a page: where it goes, what it carries, and its buttons."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.action = ""
        self._fields: dict[str, str] = {}
        self._buttons: list[tuple[str, str]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "form":
            self.action = given.get("action", "")
        elif tag == "input" and given.get("name"):
            self._fields[given["name"]] = given.get("value", "")
        elif tag == "button" and given.get("name"):
            self._buttons.append((given["name"], given.get("value", "")))

    def filled(self, typed: dict[str, str]) -> dict[str, str]:
        """Type what is known and press the last button: pages put the one that goes on there."""
        known = {name: typed.get(name, value) for name, value in self._fields.items()}
        return known | dict(self._buttons[-1:])
