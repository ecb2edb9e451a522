import re
from pathlib import Path
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx
import jwt
import pytest

from libs.brokers.fyers.simulator.browser import CONSENT_PATH
from tests.unit.libs.brokers.fyers.paper_fyers import (
    APP,
    CALLBACK,
    CLIENT,
    LOGIN_QUERY,
    Clock,
    PaperFyers,
    a_paper_fyers,
    app_id_hash,
)

LOGIN = f"/api/v3/generate-authcode?{urlencode(LOGIN_QUERY)}"


async def signed_on_page(fyers: PaperFyers, client_id: str, pin: str) -> httpx.Response:
    return await fyers.http.post(LOGIN, data={"client_id": client_id, "pin": pin})


async def decided(fyers: PaperFyers, consent: httpx.Response, decision: str) -> dict[str, str]:
    ticket = re.findall(r'name="ticket" value="([^"]+)"', consent.text)[0]
    reply = await fyers.http.post(CONSENT_PATH, data={"ticket": ticket, "decision": decision})
    assert reply.status_code == 303
    target = urlsplit(reply.headers["location"])
    assert f"{target.scheme}://{target.netloc}{target.path}" == CALLBACK
    return {name: values[0] for name, values in parse_qs(target.query).items()}


async def test_login_page_says_that_it_is_paper(tmp_path: Path) -> None:
    async with a_paper_fyers(tmp_path) as fyers:
        page = await fyers.http.get(LOGIN)

    assert page.status_code == 200
    assert "FYERS simulator" in page.text
    assert "PAPER" in page.text
    assert page.headers["content-type"].startswith("text/html")
    assert "form-action" not in page.headers["content-security-policy"]


async def test_allowed_access_comes_back_with_grant_and_state(tmp_path: Path) -> None:
    async with a_paper_fyers(tmp_path) as fyers:
        reply = await decided(fyers, await signed_on_page(fyers, "xb00001", "4321"), "allow")
        tokens = await fyers.exchange(reply["auth_code"])

    assert (reply["s"], reply["code"], reply["state"]) == ("ok", "200", LOGIN_QUERY["state"])
    assert set(tokens.json()) == {"s", "code", "message", "access_token", "refresh_token"}


async def test_denied_access_comes_back_as_an_error(tmp_path: Path) -> None:
    async with a_paper_fyers(tmp_path) as fyers:
        reply = await decided(fyers, await signed_on_page(fyers, CLIENT, "4321"), "deny")

    assert reply["s"] == "error"
    assert int(reply["code"]) < 0
    assert reply["state"] == LOGIN_QUERY["state"]
    assert "auth_code" not in reply


async def test_new_client_id_is_opened_with_ten_lakh_and_keeps_its_first_pin(
    tmp_path: Path,
) -> None:
    async with a_paper_fyers(tmp_path) as fyers:
        await signed_on_page(fyers, CLIENT, "4321")
        wrong = await signed_on_page(fyers, CLIENT, "1234")
        right = await signed_on_page(fyers, CLIENT, "4321")
        book = await fyers.control("GET", f"accounts/{CLIENT}/book")

    assert book["funds"]["available"] == "1000000"
    assert wrong.status_code == 400
    assert "not the PIN" in wrong.text
    assert "Allow access?" in right.text


@pytest.mark.parametrize(
    ("client_id", "pin"), [("XB1", "1234"), ("<script>", "1234"), (CLIENT, "12a4"), (CLIENT, "")]
)
async def test_malformed_sign_in_is_told_and_opens_nothing(
    tmp_path: Path, client_id: str, pin: str
) -> None:
    async with a_paper_fyers(tmp_path) as fyers:
        page = await signed_on_page(fyers, client_id, pin)
        state = await fyers.control("GET", "state")

    assert page.status_code == 400
    assert "<script>" not in page.text
    assert state["accounts"] == 0


@pytest.mark.parametrize(
    "change",
    [{"client_id": ""}, {"response_type": "token"}, {"redirect_uri": "javascript:alert(1)"}],
)
async def test_broken_link_shows_a_page_and_no_form(tmp_path: Path, change: dict[str, str]) -> None:
    async with a_paper_fyers(tmp_path) as fyers:
        page = await fyers.http.get(f"/api/v3/generate-authcode?{urlencode(LOGIN_QUERY | change)}")

    assert page.status_code == 400
    assert "<form" not in page.text


async def test_forged_or_old_ticket_grants_nothing(tmp_path: Path) -> None:
    async with a_paper_fyers(tmp_path) as fyers:
        forged = await fyers.http.post(CONSENT_PATH, data={"ticket": "a.b.c", "decision": "allow"})
        consent = await signed_on_page(fyers, CLIENT, "4321")
        ticket = re.findall(r'name="ticket" value="([^"]+)"', consent.text)[0]
        fyers.clock.go_on(minutes=11)
        old = await fyers.http.post(CONSENT_PATH, data={"ticket": ticket, "decision": "allow"})

    assert (forged.status_code, old.status_code) == (400, 400)


async def test_access_token_has_the_claims_of_the_reference_and_dies_at_six(
    tmp_path: Path,
) -> None:
    async with a_paper_fyers(tmp_path) as fyers:
        tokens = (await fyers.exchange(await fyers.auth_code())).json()

    claims = jwt.decode(tokens["access_token"], options={"verify_signature": False})
    assert claims["sub"] == "access_token"
    assert claims["fy_id"] == CLIENT
    assert len(claims["hsm_key"]) == 56
    assert claims["exp"] == 1795480200  # 24 Nov 2026, 06:00 in India.
    assert {"iss", "aud", "iat", "nbf", "at_hash", "display_name", "oms", "appType"} <= set(claims)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"appIdHash": ""}, -371),
        ({"code": ""}, -374),
        ({"appIdHash": app_id_hash(secret="another")}, -5),
        ({"code": "eyJ.not.ours"}, -437),
        ({"grant_type": "password"}, -50),
    ],
)
async def test_exchange_refuses_what_is_wrong_with_its_code(
    tmp_path: Path, change: dict[str, str], code: int
) -> None:
    async with a_paper_fyers(tmp_path) as fyers:
        right = {
            "grant_type": "authorization_code",
            "appIdHash": app_id_hash(),
            "code": await fyers.auth_code(),
        }
        reply = await fyers.ask("POST", "validate-authcode", right | change)

    assert reply.status_code == 400
    assert reply.json()["s"] == "error"
    assert reply.json()["code"] == code


async def test_auth_code_is_good_once_and_for_five_minutes(tmp_path: Path) -> None:
    async with a_paper_fyers(tmp_path) as fyers:
        used, late = await fyers.auth_code(), await fyers.auth_code()
        assert (await fyers.exchange(used)).is_success
        again = await fyers.exchange(used)
        fyers.clock.go_on(minutes=6)
        expired = await fyers.exchange(late)

    assert again.json()["code"] == expired.json()["code"] == -437


async def test_any_app_id_is_known_by_the_configured_secret(tmp_path: Path) -> None:
    async with a_paper_fyers(tmp_path, app_secret="ours") as fyers:
        code = await fyers.auth_code(app_id="OWN-200")
        assert (await fyers.exchange(code, app_id_hash("OWN-200", "SEC"))).json()["code"] == -5
        reply = await fyers.exchange(code, app_id_hash("OWN-200", "ours"))

    assert reply.is_success


def test_app_id_hash_is_the_documented_one() -> None:
    assert app_id_hash("AB12CD34EF-100", "SEC") == (
        "3d6febfb7d0b061c2160365f3ee415a2b2e15acd10204f9945e7a5e423e28553"
    )


async def test_refresh_is_retired(tmp_path: Path) -> None:
    async with a_paper_fyers(tmp_path) as fyers:
        reply = await fyers.ask("POST", "validate-refresh-token", {"pin": "1234"})

    assert reply.status_code == 400
    assert reply.json()["code"] == -16
    assert "currently disabled" in reply.json()["message"]


@pytest.mark.parametrize("body", [b"null", b"{}", b""])
async def test_logout_ends_this_apps_token_only(tmp_path: Path, body: bytes) -> None:
    async with a_paper_fyers(tmp_path) as fyers:
        header = await fyers.signed_in()
        own_app = await fyers.exchange(
            await fyers.auth_code(app_id="OWN-200"), app_id_hash("OWN-200")
        )
        other = f"OWN-200:{own_app.json()['access_token']}"

        left = await fyers.http.post(
            "/api/v3/logout", content=body, headers={"Authorization": header}
        )

        assert left.json()["message"] == "you are successfully logged out"
        assert (await fyers.ask("GET", "profile", header=header)).status_code == 401
        assert (await fyers.ask("GET", "profile", header=other)).is_success


@pytest.mark.parametrize(
    "header", ["", "Bearer abc", f"{APP}:abc", f"{APP}:eyJhbGciOiJub25lIn0.e30."]
)
async def test_missing_or_odd_authorization_is_refused(tmp_path: Path, header: str) -> None:
    async with a_paper_fyers(tmp_path) as fyers:
        reply = await fyers.ask("GET", "profile", header=header or None)

    assert (reply.status_code, reply.json()["code"]) == (401, -16)


async def test_token_of_another_app_id_is_refused(tmp_path: Path) -> None:
    async with a_paper_fyers(tmp_path) as fyers:
        token = (await fyers.signed_in()).partition(":")[2]
        reply = await fyers.ask("GET", "profile", header=f"OTHER-100:{token}")

    assert (reply.status_code, reply.json()["code"]) == (401, -16)


async def test_token_is_expired_from_six_in_the_morning(tmp_path: Path) -> None:
    async with a_paper_fyers(tmp_path) as fyers:
        header = await fyers.signed_in()
        fyers.clock.go_on(hours=18)
        reply = await fyers.ask("GET", "profile", header=header)

    assert (reply.status_code, reply.json()["code"]) == (401, -8)


async def test_tokens_and_pins_outlive_a_restart_and_ended_sessions_stay_ended(
    tmp_path: Path,
) -> None:
    clock = Clock()
    async with a_paper_fyers(tmp_path, clock) as fyers:
        kept = await fyers.signed_in()
        ended = await fyers.signed_in("XB00002")
        await fyers.control("POST", "sessions/expire", {"client_id": "XB00002"})

    async with a_paper_fyers(tmp_path, clock) as fyers:
        assert (await fyers.ask("GET", "profile", header=kept)).json()["data"]["fy_id"] == CLIENT
        assert (await fyers.ask("GET", "profile", header=ended)).status_code == 401
        assert (await signed_on_page(fyers, CLIENT, "9999")).status_code == 400


async def test_no_secret_stands_in_the_journal(tmp_path: Path) -> None:
    async with a_paper_fyers(tmp_path) as fyers:
        await signed_on_page(fyers, "XB77777", "8642")
        code = await fyers.auth_code()
        tokens = (await fyers.exchange(code)).json()
        await fyers.ask("GET", "funds", header=f"{APP}:{tokens['access_token']}")

    journal = (tmp_path / "journal.jsonl").read_text()
    for secret in ("8642", code, tokens["access_token"], tokens["refresh_token"], app_id_hash()):
        assert secret not in journal
