"""The login and consent pages as HTML: plain forms, no script."""

from html import escape
from pathlib import Path
from string import Template

_PAGE = Template((Path(__file__).parent / "page.html").read_text())

_LOGIN = Template("""<h1>Sign in</h1>
<p><code>$app_id</code> wants to connect to your account. No real money, no real orders.</p>
$problem
<form method="post">
<label for="client_id">Client ID</label>
<input id="client_id" name="client_id" value="$client_id" placeholder="XB12345" required
 autocomplete="username" autocapitalize="characters" spellcheck="false"$focus_id>
<label for="pin">4-digit PIN</label>
<input id="pin" name="pin" type="password" inputmode="numeric" maxlength="4" pattern="[0-9]{4}"
 required autocomplete="current-password"$focus_pin>
<div class="actions"><button>Continue</button></div>
</form>
<small>Any new client ID (two letters, five digits) opens a paper account with ₹10,00,000;
it keeps the PIN of its first sign-in.</small>""")

_CONSENT = Template("""<h1>Allow access?</h1>
<p>Signed in as <strong>$client_id</strong>. <code>$app_id</code> asks to:</p>
<ul><li>see your profile, funds, positions and orders</li>
<li>place, change and cancel orders for you</li></ul>
<p>Access ends by itself at 06:00 in the morning, India time.</p>
<form method="post" action="$action">
<input type="hidden" name="ticket" value="$ticket">
<div class="actions"><button class="quiet" name="decision" value="deny">Deny</button>
<button name="decision" value="allow">Allow</button></div>
</form>""")

_PROBLEM = Template("""<h1>This link does not work</h1>
<p class="bad" role="alert">$problem</p>
<p>Go back to the application and connect again.</p>""")


def login(app_id: str, client_id: str = "", problem: str = "") -> bytes:
    shown = f'<p class="bad" role="alert">{escape(problem)}</p>' if problem else ""
    # After a wrong PIN the next thing to type is the PIN.
    focus = {"focus_id": "" if client_id else " autofocus"}
    focus["focus_pin"] = " autofocus" if client_id else ""
    return _page(
        "Sign in", _LOGIN, raw=focus | {"problem": shown}, app_id=app_id, client_id=client_id
    )


def consent(*, app_id: str, client_id: str, ticket: str, action: str) -> bytes:
    return _page(
        "Allow access", _CONSENT, app_id=app_id, client_id=client_id, ticket=ticket, action=action
    )


def broken_link(problem: str) -> bytes:
    return _page("Problem", _PROBLEM, problem=problem)


def _page(title: str, content: Template, raw: dict[str, str] | None = None, **texts: str) -> bytes:
    escaped = {name: escape(text) for name, text in texts.items()} | (raw or {})
    return _PAGE.substitute(title=escape(title), content=content.substitute(escaped)).encode()
