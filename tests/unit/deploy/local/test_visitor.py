from deploy.local.visitor import Form

_LOGIN = """<form method="post">
<input name="client_id" value=""><input name="pin" type="password">
<div><button>Continue</button></div></form>"""
_CONSENT = """<form method="post" action="/consent"><input type="hidden" name="ticket" value="t1">
<button name="decision" value="deny">Deny</button>
<button name="decision" value="allow">Allow</button></form>"""


def test_known_fields_are_typed_in() -> None:
    form = Form(_LOGIN)

    assert form.filled({"client_id": "XB00001", "pin": "1234", "otp": "9"}) == {
        "client_id": "XB00001",
        "pin": "1234",
    }


def test_hidden_fields_travel_along_and_the_button_that_goes_on_is_pressed() -> None:
    form = Form(_CONSENT)

    assert form.action == "/consent"
    assert form.filled({}) == {"ticket": "t1", "decision": "allow"}
