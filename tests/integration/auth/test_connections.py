"""FR-3 to FR-8: connecting, showing and disconnecting a broker account through the simulator."""

from datetime import UTC, datetime

import pytest

from libs.brokers import registry
from libs.trading.accounts import AccountKind
from services.auth.login_states import new_state
from tests.integration.auth.running import BROKER, World, login_at_broker


async def test_fr3_auth_url_names_the_brokers_page_and_a_state(world: World) -> None:
    follower = await world.person("follower")

    answer = await follower.http.get(f"/client/broker/{BROKER}/auth-url")

    body = answer.json()
    assert body.keys() == {"code", "data"}
    assert body["code"] == "SUCCESS"
    assert body["data"]["url"].startswith(f"{world.simulator.url}/api/v3/generate-authcode?")
    assert f"state={body['data']['state']}" in body["data"]["url"]


async def test_fr4_fr5_fr6_follower_connects_and_sees_the_account(world: World) -> None:
    follower = await world.person("follower")
    exchanges = await world.simulator.arrivals("validate-authcode")

    answer = await follower.connect("XB12345")

    assert await world.simulator.arrivals("validate-authcode") == exchanges + 1
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert body["code"] == "BROKER_CONNECTED"
    assert body["message"] == f"Successfully connected to {registry.manifest(BROKER).title}"
    assert body["data"]["broker_client_id"] == "XB12345"
    status = await follower.status()
    assert status["is_connected"] is True
    assert status["connection_status"] == "connected"
    assert status["broker_client_id"] == "XB12345"
    assert status["account_id"] == body["data"]["account_id"]
    assert status["environment"] == "PAPER"
    assert datetime.fromisoformat(status["expires_at"]) > datetime.now(UTC)
    assert datetime.fromisoformat(status["last_sync"]) <= datetime.now(UTC)
    assert float(status["available_margin"]) > 0
    assert status["margin_age_s"] == 0


async def test_master_connects_under_trader_and_sides_do_not_mix(world: World) -> None:
    master, follower = await world.person("master"), await world.person("follower")

    answer = await master.connect("MS00001", "trader")

    assert answer.json()["code"] == "BROKER_CONNECTED"
    assert (await master.status("trader"))["is_connected"] is True
    for person, side in ((master, "client"), (follower, "trader")):
        refused = await person.http.get(f"/{side}/broker/{BROKER}/status")
        assert refused.status_code == 403


async def test_session_reaches_executors_from_redis_and_from_auth(world: World) -> None:
    follower = await world.person("follower")
    account_id = (await follower.connect("XB10001")).json()["data"]["account_id"]

    hot = await world.opened(account_id)
    await world.redis.delete(f"session:{account_id}")
    asked = await world.opened(account_id)

    assert hot is not None
    assert asked == hot
    assert hot.client_id == "XB10001"
    assert hot.environment == "PAPER"
    assert hot.secrets.keys() == {"access_token", "app_id"}
    # Reading it in bulk wrote the hot copy anew.
    assert await world.redis.exists(f"session:{account_id}")


async def test_reconnect_keeps_the_account(world: World) -> None:
    follower = await world.person("follower")
    first = (await follower.connect("XB10002")).json()["data"]
    before = await world.opened(first["account_id"])

    again = (await follower.connect("XB10002")).json()["data"]

    after = await world.opened(again["account_id"])
    assert again == first
    assert before is not None
    assert after is not None
    assert after.version == before.version + 1
    assert after.secrets["access_token"] != before.secrets["access_token"]


async def test_fr5_another_client_id_is_refused_until_disconnected(world: World) -> None:
    follower = await world.person("follower")
    first = (await follower.connect("XB10003")).json()["data"]["account_id"]

    refused = await follower.connect("XB99999")

    assert refused.status_code == 409
    assert "XB99999" in refused.json()["message"]
    assert "XB10003" in refused.json()["message"]
    assert (await follower.status())["is_connected"] is True
    assert await world.opened(first) is not None

    await follower.disconnect()
    accepted = await follower.connect("XB99999")

    assert accepted.status_code == 200
    assert accepted.json()["data"]["account_id"] != first


async def test_disconnect_ends_everything_and_a_reconnect_keeps_the_account(world: World) -> None:
    follower = await world.person("follower")
    account_id = (await follower.connect("XB10004")).json()["data"]["account_id"]
    logouts = await world.simulator.arrivals("/api/v3/logout")

    answer = await follower.disconnect()

    assert answer.status_code == 200, answer.text
    assert answer.json()["data"] == {"account_id": account_id, "logged_out_at_broker": True}
    assert await world.simulator.arrivals("/api/v3/logout") == logouts + 1
    assert world.rows("select * from auth.broker_credentials") == []
    assert not await world.redis.exists(f"session:{account_id}")
    assert await world.opened(account_id) is None
    assert world.rows("select reason from auth.stops where account_id = %s", account_id) == [
        ("DISCONNECTED",)
    ]
    status = await follower.status()
    assert status["is_connected"] is False
    assert status["connection_status"] == "disconnected"
    assert status["broker_client_id"] is None
    assert (await follower.disconnect()).status_code == 404

    again = await follower.connect("XB10004")

    assert again.json()["data"]["account_id"] == account_id
    assert world.rows("select * from auth.stops") == []


async def test_refresh_says_that_only_a_new_login_helps(world: World) -> None:
    follower = await world.person("follower")
    nothing = await follower.http.post(f"/client/broker/{BROKER}/refresh")
    await follower.connect("XB10005")

    answer = await follower.http.post(f"/client/broker/{BROKER}/refresh")

    assert nothing.status_code == 404
    assert answer.status_code == 409
    assert answer.json()["code"] == "RELOGIN_REQUIRED"
    assert "Please re-connect your broker." in answer.json()["message"]


@pytest.mark.parametrize(
    ("attack", "code"),
    [
        ("missing", "STATE_MISSING"),
        ("foreign", "STATE_UNKNOWN"),
        ("reused", "STATE_USED"),
        ("expired", "STATE_EXPIRED"),
        ("another user's", "STATE_UNKNOWN"),
        ("of the other side", "STATE_UNKNOWN"),
        ("far too long", "STATE_UNKNOWN"),
    ],
)
async def test_s1_a_state_that_is_not_ours_never_reaches_the_broker(
    world: World, attack: str, code: str
) -> None:
    both = await world.person("follower", "master")
    other = await world.person("follower")
    url, state = await both.auth_url()
    reply = await login_at_broker(url, "XB10006")
    if attack == "reused":
        assert (await both.finish(reply)).status_code == 200
    if attack == "expired":
        world.change("update auth.login_states set expires_at = clock_timestamp()")
    used = {
        "missing": "",
        "foreign": new_state(AccountKind.CLIENT),
        "another user's": (await other.auth_url())[1],
        "of the other side": (await both.auth_url("trader"))[1],
        "far too long": "c" * 5000,
    }.get(attack, state)
    exchanges = await world.simulator.arrivals("validate-authcode")

    refused = await both.finish({**reply, "state": used})

    assert refused.status_code == 400, refused.text
    assert refused.json()["code"] == code
    assert "Connect again." in refused.json()["message"]
    assert await world.simulator.arrivals("validate-authcode") == exchanges


async def test_two_tabs_with_one_state_connect_once(world: World) -> None:
    follower = await world.person("follower")
    first_url, first_state = await follower.auth_url()
    second_url, _ = await follower.auth_url()
    reply = await login_at_broker(first_url, "XB10007")
    other = await login_at_broker(second_url, "XB10007")

    assert (await follower.finish(reply)).status_code == 200
    stolen = await follower.finish({**other, "state": first_state})

    assert stolen.status_code == 400
    # The other tab's own state is still good: both are this person's.
    assert (await follower.finish(other)).status_code == 200


async def test_a_code_the_broker_does_not_know_is_refused_in_its_words(world: World) -> None:
    follower = await world.person("follower")
    _, state = await follower.auth_url()

    refused = await follower.finish({"auth_code": "not a code", "state": state})

    assert refused.status_code == 400
    assert refused.json()["code"] == "BROKER_REFUSED"
    assert "invalid auth code" in refused.json()["message"]
    assert (await follower.status())["connection_status"] == "disconnected"


async def test_a_reply_without_its_grant_names_the_field_and_keeps_the_state(world: World) -> None:
    follower = await world.person("follower")
    url, state = await follower.auth_url()

    refused = await follower.finish({"state": state})

    assert refused.status_code == 422
    assert refused.json()["field"] == "auth_code"
    assert (await follower.finish(await login_at_broker(url, "XB10008"))).status_code == 200


async def test_unknown_brokers_are_named_as_such(world: World) -> None:
    follower = await world.person("follower")

    answer = await follower.http.get("/client/broker/nobody/status")

    assert answer.status_code == 404
    assert answer.json()["code"] == "UNKNOWN_BROKER"


async def test_fr8_an_own_app_wins_over_the_platforms(world: World) -> None:
    follower = await world.person("follower")
    app = {"app_id": "OWNAPP0001-100", "api_secret": "canary-app-secret"}

    stored = await follower.http.put(f"/client/broker/{BROKER}/credentials", json=app)
    account_id = (await follower.connect("XB10009")).json()["data"]["account_id"]

    assert stored.status_code == 200, stored.text
    url, _ = await follower.auth_url()
    assert "client_id=OWNAPP0001-100" in url
    session = await world.opened(account_id)
    assert session is not None
    assert session.secrets["app_id"] == "OWNAPP0001-100"
    assert "canary-app-secret" not in world.dump()
    # After a disconnect it is gone with everything else.
    await follower.disconnect()
    url, _ = await follower.auth_url()
    assert "client_id=LOCKSTEP01-100" in url


async def test_session_the_broker_calls_dead_is_shown_as_expired(world: World) -> None:
    follower = await world.person("follower")
    account_id = (await follower.connect("XB10010")).json()["data"]["account_id"]
    await world.simulator.expire("XB10010")

    status = await follower.status()

    assert status["is_connected"] is False
    assert status["connection_status"] == "expired"
    assert status["account_id"] == account_id
    listed = await follower.notifications()
    assert [n["message"] for n in listed["notifications"]] == ["Please re-connect your broker."]
    assert not await world.redis.exists(f"session:{account_id}")


async def test_s8_no_secret_stands_in_the_database_in_the_clear(world: World) -> None:
    follower = await world.person("follower")
    account_id = (await follower.connect("XB10011")).json()["data"]["account_id"]
    session = await world.opened(account_id)
    assert session is not None
    key = await follower.http.post("/auth/api-keys", json={"label": "canary"})

    dump = world.dump()

    assert "XB10011" in dump  # The dump does see what is stored.
    cookie = follower.http.cookies["lockstep"]
    for canary in (session.secrets["access_token"], key.json()["api_key"], cookie):
        assert canary not in dump
        assert canary[:-10][-20:] not in dump
    assert "canary-app-secret" not in dump
    _, state = await follower.auth_url()
    assert state not in world.dump()
