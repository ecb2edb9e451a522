"""The browser login: exact address, exact exchange, the broker's words when it refuses (FR-5)."""

from datetime import UTC, datetime, time, timedelta
from urllib.parse import urlsplit

import jwt
import orjson
import pytest

from libs.brokers.errors import LoginRefused, NotSent, OutcomeUnknown
from libs.brokers.fyers.login import FyersLogin
from libs.brokers.fyers.manifest import MANIFEST
from libs.brokers.protocol import BrokerSession, LoginGrant, PlatformApp
from libs.trading.accounts import Environment
from libs.trading.calendar import next_time_in_india
from tests.factories import NOON
from tests.unit.libs.brokers.misbehaving import (
    Arrivals,
    a_server,
    answering_in_turn,
    hanging,
    json_answer,
)

APP = PlatformApp(
    app_id="AB12CD34EF-100", secret="SEC", redirect_uri="http://127.0.0.1:8080/broker/callback"
)
PROFILE = json_answer(200, b'{"s":"ok","code":200,"data":{"fy_id":"XB00001","name":"A FOLLOWER"}}')


def a_token(**claims: object) -> str:
    return jwt.encode({"sub": "access_token", **claims}, "k" * 32, algorithm="HS256")


def tokens(access_token: str, **more: str) -> bytes:
    answer = {"s": "ok", "code": 200, "message": "", "access_token": access_token, **more}
    return json_answer(200, orjson.dumps(answer))


def door(server: Arrivals) -> FyersLogin:
    base = urlsplit(server.url)
    return FyersLogin(MANIFEST.addresses(Environment.PAPER, f"http://{base.netloc}"))


async def exchange(*answers: bytes, **reply: str) -> tuple[LoginGrant, Arrivals]:
    async with a_server(answering_in_turn(*answers)) as server:
        login = door(server)
        try:
            return await login.exchange(APP, reply or {"auth_code": "the.grant", "code": "200"}), (
                server
            )
        finally:
            await login.aclose()


def test_authorization_address_has_the_sdks_order_and_encoding() -> None:
    login = FyersLogin(MANIFEST.addresses(Environment.LIVE, None))

    assert login.authorization_url(APP, "a state+1") == (
        "https://api-t1.fyers.in/api/v3/generate-authcode?client_id=AB12CD34EF-100"
        "&redirect_uri=http%3A%2F%2F127.0.0.1%3A8080%2Fbroker%2Fcallback"
        "&response_type=code&state=a+state%2B1"
    )


async def test_exchange_sends_three_keys_and_no_authorization() -> None:
    expires_at = datetime.now(UTC).replace(microsecond=0) + timedelta(hours=9)
    token = a_token(exp=int(expires_at.timestamp()))

    grant, server = await exchange(tokens(token, refresh_token="the.refresh"), PROFILE)

    assert server.heads[0].startswith(b"POST /api/v3/validate-authcode HTTP/1.1\r\n")
    assert orjson.loads(server.bodies[0]) == {
        "grant_type": "authorization_code",
        # The test vector of the FYERS page: AB12CD34EF-100:SEC.
        "appIdHash": "3d6febfb7d0b061c2160365f3ee415a2b2e15acd10204f9945e7a5e423e28553",
        "code": "the.grant",
    }
    exchange_head = server.heads[0].lower()
    assert b"\r\nauthorization:" not in exchange_head
    assert b"\r\nversion:" not in exchange_head
    assert server.heads[1].startswith(b"GET /api/v3/profile HTTP/1.1\r\n")
    assert f"\r\nauthorization: ab12cd34ef-100:{token.lower()}\r\n".encode() in (
        server.heads[1].lower()
    )
    assert b"\r\nversion: 3\r\n" in server.heads[1].lower()
    assert grant.profile.broker_client_id == "XB00001"
    assert grant.expires_at == expires_at
    assert grant.credentials == {
        "app_id": "AB12CD34EF-100",
        "access_token": token,
        "refresh_token": "the.refresh",
    }
    assert token not in repr(grant)


@pytest.mark.parametrize("token", ["opaque", "a.b.c", a_token(), a_token(exp=10**30)])
async def test_unreadable_expiry_is_the_next_indian_morning(token: str) -> None:
    before = datetime.now(UTC)

    grant, _ = await exchange(tokens(token), PROFILE)

    assert grant.expires_at == next_time_in_india(before, time(6))
    assert "refresh_token" not in grant.credentials


@pytest.mark.parametrize(
    ("reply", "words", "code"),
    [
        ({"s": "error", "code": "-99", "message": "User denied"}, "User denied", "-99"),
        ({"s": "ok", "code": "200"}, "no auth_code", "200"),
    ],
)
async def test_refused_consent_never_reaches_the_broker(
    reply: dict[str, str], words: str, code: str
) -> None:
    with pytest.raises(LoginRefused, match=words) as raised:
        await exchange(**reply)

    assert raised.value.code == code


async def test_refused_exchange_keeps_the_brokers_words() -> None:
    with pytest.raises(LoginRefused, match="invalid auth code") as raised:
        await exchange(json_answer(400, b'{"s":"error","code":-437,"message":"invalid auth code"}'))

    assert raised.value.code == "-437"


async def test_token_the_broker_does_not_know_is_no_login() -> None:
    with pytest.raises(LoginRefused, match="Could not authenticate the user"):
        await exchange(
            tokens(a_token()),
            json_answer(
                401, b'{"s":"error","code":-16,"message":"Could not authenticate the user"}'
            ),
        )


@pytest.mark.parametrize(
    "answers",
    [
        (json_answer(502, b""),),
        (tokens(""),),
        (json_answer(200, b'{"s":"ok","code":200}'),),
        (tokens("canary.token"), json_answer(502, b"")),
        (tokens("canary.token"), json_answer(200, b'{"s":"ok","data":{}}')),
    ],
)
async def test_login_without_a_whole_answer_is_unknown(answers: tuple[bytes, ...]) -> None:
    with pytest.raises(OutcomeUnknown) as raised:
        await exchange(*answers)

    assert "canary" not in repr(raised.value)


async def test_unreachable_broker_is_told() -> None:
    async with a_server(hanging) as server:
        login = door(server)
    with pytest.raises(NotSent):
        await login.exchange(APP, {"auth_code": "the.grant"})
    await login.aclose()


@pytest.mark.parametrize(
    "answer",
    [
        json_answer(200, b'{"s":"ok","code":200,"message":"you are successfully logged out"}'),
        json_answer(401, b'{"s":"error","code":-16,"message":"Token is Invalid or Expired"}'),
        json_answer(200, b'{"s":"error","code":-16,"message":"Token is Invalid or Expired"}'),
    ],
)
async def test_logout_of_a_living_or_dead_session_succeeds(answer: bytes) -> None:
    session = BrokerSession(
        account_id="account-1",
        client_id="XB00001",
        environment=Environment.PAPER,
        expires_at=NOON,
        secrets={"app_id": "AB12CD34EF-100", "access_token": "t"},
    )
    async with a_server(answering_in_turn(answer)) as server:
        login = door(server)
        await login.logout(session)
        await login.aclose()

    assert server.heads[0].startswith(b"POST /api/v3/logout HTTP/1.1\r\n")
    assert server.bodies == [b"null"]
