"""Signing in and out, API keys and adding people, over HTTP and as another service sees it."""

import asyncio
import hashlib

import pytest

from services.auth import throttle
from tests.integration.auth.running import (
    DEMO,
    PASSWORD,
    RunningSimulator,
    World,
    running_auth,
)
from tests.servers import Database, Servers


async def test_sign_in_sets_a_guarded_cookie_and_says_who_it_is(world: World) -> None:
    person = await world.person("follower", email="Asha@Lockstep.test".lower())
    browser = world.browser()

    answer = await browser.post(
        "/auth/sign-in", json={"email": " ASHA@lockstep.test ", "password": PASSWORD}
    )

    cookie = answer.headers["set-cookie"]
    assert answer.json() == {
        "user_id": person.user_id,
        "email": "asha@lockstep.test",
        "display_name": "Somebody",
        "roles": ["follower"],
    }
    assert cookie.startswith("lockstep=")
    assert {"HttpOnly", "Path=/", "SameSite=lax", "Max-Age=43200"} <= set(cookie.split("; "))
    assert answer.headers["cache-control"] == "no-store"
    assert (await browser.get("/auth/me")).json() == answer.json()
    stored = world.rows("select token_hash from auth.sign_ins order by created_at desc limit 1")
    assert stored == [(hashlib.sha256(browser.cookies["lockstep"].encode()).hexdigest(),)]


async def test_production_cookie_is_bound_to_the_host_and_to_https(
    servers: Servers, database: Database, kafka_topics: int, simulator: RunningSimulator
) -> None:
    async with running_auth(servers, database, simulator, environment_name="production") as world:
        hashed = await world.app.state.passwords.hash(PASSWORD)
        world.change(
            "insert into auth.users (user_id, email, display_name, password_hash, roles)"
            " values (gen_random_uuid(), 'op@lockstep.test', 'Op', %s, '{operator}')",
            hashed,
        )

        answer = await world.browser().post(
            "/auth/sign-in", json={"email": "op@lockstep.test", "password": PASSWORD}
        )
        demo = await world.browser().post("/auth/sign-in", json=DEMO)

    cookie = answer.headers["set-cookie"]
    assert cookie.startswith("__Host-lockstep=")
    # An operator's cookie is not sent from other sites at all.
    assert {"Secure", "HttpOnly", "Path=/", "SameSite=strict"} <= set(cookie.split("; "))
    assert "Domain" not in cookie
    # The demo administrator exists on demo machines only.
    assert demo.status_code == 401


async def test_wrong_unknown_and_disabled_answer_alike(world: World) -> None:
    known = await world.person("follower", email="known@lockstep.test")
    disabled = await world.person("follower", email="disabled@lockstep.test")
    world.change(
        "update auth.users set disabled_at = clock_timestamp() where user_id = %s",
        disabled.user_id,
    )

    answers = [
        await world.browser().post("/auth/sign-in", json={"email": email, "password": password})
        for email, password in (
            ("known@lockstep.test", "not the password"),
            ("nobody@lockstep.test", "not the password"),
            ("disabled@lockstep.test", PASSWORD),
        )
    ]

    assert {answer.status_code for answer in answers} == {401}
    assert len({answer.text for answer in answers}) == 1
    assert (await known.http.get("/auth/me")).status_code == 200
    assert (await disabled.http.get("/auth/me")).status_code == 401


async def test_s17_guessing_is_slowed_down_by_account(world: World) -> None:
    guesser = world.browser()
    await world.person("follower", email="victim@lockstep.test")
    # The owner usually signs in from somewhere else.
    world.change("update auth.sign_ins set address = '192.0.2.7'")

    codes = []
    for _ in range(12):
        answer = await guesser.post(
            "/auth/sign-in", json={"email": "victim@lockstep.test", "password": "a wrong guess"}
        )
        codes.append(answer.status_code)

    assert codes[: throttle.ACCOUNT.free] == [401] * throttle.ACCOUNT.free
    assert 429 in codes
    assert answer.json()["data"]["retry_after_s"] >= 1
    right = await guesser.post(
        "/auth/sign-in", json={"email": "victim@lockstep.test", "password": PASSWORD}
    )
    assert right.status_code == 429
    # From where the owner usually comes, the guesses of others do not matter.
    world.change("update auth.sign_ins set address = '127.0.0.1'")
    right = await guesser.post(
        "/auth/sign-in", json={"email": "victim@lockstep.test", "password": PASSWORD}
    )
    assert right.status_code == 200


async def test_many_people_behind_one_address_sign_in_at_once(world: World) -> None:
    people = [await world.person("follower", email=f"crowd{n}@lockstep.test") for n in range(4)]

    answers = await asyncio.gather(
        *(
            world.browser().post(
                "/auth/sign-in", json={"email": f"crowd{n % 4}@lockstep.test", "password": PASSWORD}
            )
            for n in range(40)
        )
    )

    assert len(people) == 4
    assert {answer.status_code for answer in answers} == {200}


async def test_sign_out_counts_at_once_here_and_within_a_second_elsewhere(world: World) -> None:
    person = await world.person("follower")
    token = person.http.cookies["lockstep"]
    elsewhere = world.identities()
    assert await elsewhere.of_cookie(token) is not None
    hashed = hashlib.sha256(token.encode()).hexdigest()
    assert await world.redis.exists(f"signin:{hashed}")

    answer = await person.http.post("/auth/sign-out")

    assert answer.status_code == 200
    assert "lockstep" not in person.http.cookies
    assert not await world.redis.exists(f"signin:{hashed}")
    assert await world.identities().of_cookie(token) is None
    again = await world.browser(Cookie=f"lockstep={token}").get("/auth/me")
    assert again.status_code == 401


async def test_a_new_sign_in_ends_the_one_whose_cookie_came_along(world: World) -> None:
    person = await world.person("follower", email="again@lockstep.test")
    old = person.http.cookies["lockstep"]

    await person.http.post(
        "/auth/sign-in", json={"email": "again@lockstep.test", "password": PASSWORD}
    )

    assert person.http.cookies["lockstep"] != old
    assert (await person.http.get("/auth/me")).status_code == 200
    assert (await world.browser(Cookie=f"lockstep={old}").get("/auth/me")).status_code == 401


@pytest.mark.parametrize(
    "change",
    [
        "last_seen_at = clock_timestamp() - interval '30 minutes 1 second'",
        "expires_at = clock_timestamp()",
    ],
)
async def test_s13_sign_ins_end_when_idle_and_after_twelve_hours(world: World, change: str) -> None:
    person = await world.person("follower")

    world.change(f"update auth.sign_ins set {change}")  # noqa: S608  # One of two constants.

    assert (await person.http.get("/auth/me")).status_code == 401


@pytest.mark.parametrize(
    "headers", [{"Sec-Fetch-Site": "cross-site"}, {"Origin": "https://evil.test"}]
)
async def test_s14_another_site_cannot_act_with_the_cookie(
    world: World, headers: dict[str, str]
) -> None:
    person = await world.person("follower")

    answer = await person.http.post("/auth/sign-out", headers=headers)

    assert answer.status_code == 403
    assert (await person.http.get("/auth/me")).status_code == 200


async def test_s14_a_form_of_another_site_cannot_sign_anybody_in(world: World) -> None:
    body = b'{"email": "admin@lockstep.local", "password": "lockstep-demo"}'

    answer = await world.browser().post(
        "/auth/sign-in", content=body, headers={"Content-Type": "text/plain"}
    )

    assert answer.status_code == 422
    assert "set-cookie" not in answer.headers


async def test_changes_of_users_keys_and_accounts_are_audited(world: World) -> None:
    person = await world.person("follower")
    key = (await person.http.post("/auth/api-keys", json={})).json()
    await person.http.delete(f"/auth/api-keys/{key['key_id']}")
    await person.connect("XB20001")
    await person.disconnect()
    await person.http.post("/auth/sign-out")

    lines = world.rows(
        "select action, via, address from auth.audit where actor_id = %s order by id",
        person.user_id,
    )

    assert [line[0] for line in lines] == [
        "signed_in",
        "api_key_created",
        "api_key_revoked",
        "broker_connected",
        "broker_disconnected",
        "signed_out",
    ]
    assert {line[1:] for line in lines[1:]} == {("cookie", "127.0.0.1")}


async def test_internal_routes_want_the_service_token(world: World) -> None:
    person = await world.person("admin")

    for path in ("/internal/sessions", "/internal/identities"):
        assert (await person.http.post(path, json={})).status_code == 401
        wrong = world.browser(**{"X-Service-Token": "wrong"})
        assert (await wrong.post(path, json={})).status_code == 401


async def test_without_redis_everybody_is_still_known(
    servers: Servers, database: Database, kafka_topics: int, simulator: RunningSimulator
) -> None:
    async with running_auth(
        servers, database, simulator, redis_url="redis://127.0.0.1:9/0"
    ) as world:
        person = await world.person("follower")
        account_id = (await person.connect("XB20002")).json()["data"]["account_id"]

        assert (await person.status())["is_connected"] is True
        assert await world.opened(account_id) is not None
        assert (await person.disconnect()).status_code == 200
        assert await world.opened(account_id) is None
