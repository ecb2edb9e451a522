"""Adding people, and their API keys, over HTTP and by command."""

import asyncio
import sys
from typing import Any

import pytest

from libs.runtime.identity import Role
from tests.integration.auth.running import DEMO, World
from tests.servers import Servers


async def test_api_keys_are_shown_once_and_end_when_revoked(world: World) -> None:
    person, other = await world.person("master"), await world.person("master")

    created = (await person.http.post("/auth/api-keys", json={"label": "bot"})).json()

    by_key = world.browser(Authorization=f"Bearer {created['api_key']}")
    assert created["api_key"].startswith("lsk_")
    assert (await by_key.get("/auth/me")).json()["user_id"] == person.user_id
    principal = await world.identities().of_api_key(created["api_key"])
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
    assert await world.identities().of_api_key(created["api_key"]) is None


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

    assert weak[0] == 1
    assert weak[2].startswith("create-user: password: must have at least 12")
    assert done[0] == 0, done[2]
    answer = await world.browser().post(
        "/auth/sign-in",
        json={"email": "root@lockstep.test", "password": "a long enough password"},
    )
    assert answer.json()["user_id"] == done[1].strip()
    assert answer.json()["roles"] == ["admin"]
