"""A browser small enough to read: follows links, fills in forms, presses buttons."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from html.parser import HTMLParser
from urllib.parse import parse_qsl, urlencode, urljoin, urlsplit

import httpx

_STEPS_MAX = 10


@dataclass
class Form:
    action: str
    fields: dict[str, str] = field(default_factory=dict)
    blanks: dict[str, str] = field(default_factory=dict)
    buttons: list[tuple[str, str, str]] = field(default_factory=list)


class _Forms(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[Form] = []
        self.label: tuple[str, str] | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "form":
            self.found.append(Form(given.get("action", "")))
        elif tag == "input" and self.found:
            kind = given.get("type", "text")
            target = self.found[-1].fields if kind == "hidden" else self.found[-1].blanks
            target[given["name"]] = given.get("value", "") if kind == "hidden" else kind
        elif tag == "button" and self.found:
            self.label = (given.get("name", ""), given.get("value", ""))

    def handle_data(self, data: str) -> None:
        if self.label is not None:
            self.found[-1].buttons.append((*self.label, data.strip()))
            self.label = None


async def sign_in(
    url: str, *, until: str, client_id: str, pin: str, refuse: bool = False
) -> Mapping[str, str]:
    """Sign in at a broker's pages and return the parameters that came back to `until`.

    A password field gets the PIN, any other the client id. The last button of a page agrees, the
    first of several refuses.
    """
    async with httpx.AsyncClient(trust_env=False) as http:
        reply = await http.get(url)
        for _ in range(_STEPS_MAX):
            if reply.is_redirect:
                target = urljoin(str(reply.url), reply.headers["location"])
                if target.startswith(until):
                    return dict(parse_qsl(urlsplit(target).query, keep_blank_values=True))
                reply = await http.get(target)
                continue
            forms = _Forms()
            forms.feed(reply.raise_for_status().text)
            reply = await _submit(http, reply, forms.found[0], client_id, pin, refuse)
    raise AssertionError(f"no way back to {until} after {_STEPS_MAX} pages")


async def _submit(
    http: httpx.AsyncClient,
    page: httpx.Response,
    form: Form,
    client_id: str,
    pin: str,
    refuse: bool,
) -> httpx.Response:
    content = dict(form.fields)
    content |= {
        name: pin if kind == "password" else client_id for name, kind in form.blanks.items()
    }
    several = len(form.buttons) > 1
    name, value, _ = form.buttons[0 if refuse and several else -1]
    if name:
        content[name] = value
    return await http.post(
        urljoin(str(page.url), form.action),
        content=urlencode(content),
        headers={"Content-Type": "application/x-www-form-urlencoded"},
    )
