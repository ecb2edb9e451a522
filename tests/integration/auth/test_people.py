"""Signing in and out, API keys and adding people, over HTTP and as another service sees it."""

import asyncio
import hashlib
import sys
from typing import Any

import pytest
from pydantic import SecretStr

from libs.runtime.identity import Identities, Role
from services.auth import throttle
from tests.integration.auth.running import (
    HOST,
    PASSWORD,
    SERVICE_TOKEN,
    RunningSimulator,
    World,
    running_auth,
)
from tests.servers import Database, Servers

DEMO = {"email": "admin@lockstep.local", "password": "lockstep-demo"}


def other_service(world: World) -> Identities:
    return Identities(
        world.redis, HOST, SecretStr(SERVICE_TOKEN), world.service(), environment_name="local"
    )


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
        hashed = await world.app.state.people.passwords.hash(PASSWORD)
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
    elsewhere = other_service(world)
    assert await elsewhere.of_cookie(token) is not None
    hashed = hashlib.sha256(token.encode()).hexdigest()
    assert await world.redis.exists(f"signin:{hashed}")

    answer = await person.http.post("/auth/sign-out")

    assert answer.status_code == 200
    assert "lockstep" not in person.http.cookies
    assert not await world.redis.exists(f"signin:{hashed}")
    assert await other_service(world).of_cookie(token) is None
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


async def test_api_keys_are_shown_once_and_end_when_revoked(world: World) -> None:
    person, other = await world.person("master"), await world.person("master")

    created = (await person.http.post("/auth/api-keys", json={"label": "bot"})).json()

    by_key = world.browser(Authorization=f"Bearer {created['api_key']}")
    assert created["api_key"].startswith("lsk_")
    assert (await by_key.get("/auth/me")).json()["user_id"] == person.user_id
    principal = await other_service(world).of_api_key(created["api_key"])
    assert principal is not None
    assert principal.roles == {Role.MASTER}
    listed = (await person.http.get("/auth/api-keys")).json()["api_keys"]
    assert [(key["key_id"], key["label"]) for key in listed] == [(created["key_id"], "bot")]
    assert created["api_key"] not in str(listed)
    # A key cannot make itself a successor.
    assert (await by_key.post("/auth/api-keys", json={})).status_code == 403
    assert (await other.http.delete(f"/auth/api-keys/{created['key_id']}")).status_code == 404
    revoked = await person.http.delete(f"/auth/api-keys/{created['key_id']}")
    assert revoked.status_code == 200
    assert (await by_key.get("/auth/me")).status_code == 401
    assert await other_service(world).of_api_key(created["api_key"]) is None


async def test_administrators_add_people_and_nobody_else_does(world: World) -> None:
    admin = world.browser()
    assert (await admin.post("/auth/sign-in", json=DEMO)).status_code == 200
    person = {
        "email": "New@lockstep.test",
        "password": "long enough for this",
        "display_name": "New",
        "roles": ["follower", "master"],
    }

    created = await admin.post("/auth/users", json=person)

    assert created.status_code == 201
    fresh = world.browser()
    signed_in = await fresh.post(
        "/auth/sign-in", json={"email": person["email"], "password": person["password"]}
    )
    assert signed_in.json()["user_id"] == created.json()["user_id"]
    assert signed_in.json()["roles"] == ["follower", "master"]
    taken = await admin.post("/auth/users", json=person)
    assert (taken.status_code, taken.json()["field"]) == (409, "email")
    assert (await fresh.post("/auth/users", json=person)).status_code == 403
    assert (await world.browser().post("/auth/users", json=person)).status_code == 401


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"email": "not an address"}, "email"),
        ({"password": "short"}, "password"),
        ({"display_name": ""}, "display_name"),
        ({"roles": []}, "roles"),
        ({"roles": ["king"]}, "roles.0"),
        ({"extra": 1}, "extra"),
    ],
)
async def test_a_bad_body_names_the_field_and_never_repeats_it(
    world: World, change: dict[str, Any], field: str
) -> None:
    admin = world.browser()
    await admin.post("/auth/sign-in", json=DEMO)
    person = {
        "email": "a@lockstep.test",
        "password": "canary-password-123",
        "display_name": "A",
        "roles": ["follower"],
    }

    refused = await admin.post("/auth/users", json=person | change)

    assert refused.status_code == 422
    assert refused.json()["field"] == field
    assert refused.json()["message"].startswith(f"{field}: ")
    assert "canary" not in refused.text


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


async def test_create_user_command_makes_the_first_administrator(
    world: World, servers: Servers
) -> None:
    command = [
        *(sys.executable, "-m", "services.auth", "create-user"),
        *("--email", "root@lockstep.test", "--name", "Root", "--role", "admin"),
    ]
    environment = {"POSTGRES_DSN": world.database.dsn("auth"), "REDIS_URL": servers.redis_url}

    async def run(password: str) -> tuple[int | None, str, str]:
        process = await asyncio.create_subprocess_exec(
            *command,
            env=environment,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, err = await process.communicate(password.encode())
        return process.returncode, out.decode(), err.decode()

    weak = await run("short\n")
    done = await run("a long enough password\n")
    again = await run("a long enough password\n")

    assert weak[0] == 1
    assert weak[2].startswith("create-user: password: must have at least 12")
    assert done[0] == 0, done[2]
    assert again[0] == 1
    answer = await world.browser().post(
        "/auth/sign-in",
        json={"email": "root@lockstep.test", "password": "a long enough password"},
    )
    assert answer.json()["user_id"] == done[1].strip()
    assert answer.json()["roles"] == ["admin"]


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
