from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, cast

import httpx
import pytest
from fastapi import FastAPI
from pydantic import SecretStr
from redis.asyncio import Redis

from libs.runtime import identity
from libs.runtime.identity import (
    Identities,
    IdentityUnavailable,
    Principal,
    Role,
    cookie_name,
    internal,
    public,
    requires,
)
from libs.runtime.problems import install_problem_handlers
from tests.unit.libs.runtime.fakes import AuthThatKnows, MemoryCache, sha256

SERVICE_TOKEN = "between-services-only"
FOLLOWER: dict[str, Any] = {"user_id": "u-1", "roles": ["follower"], "email": "f@lockstep.local"}
MASTER: dict[str, Any] = {"user_id": "u-2", "roles": ["master"], "email": "m@lockstep.local"}
SAME = {"Sec-Fetch-Site": "same-origin", "Origin": "https://lockstep.test"}


@dataclass
class House:
    """An application with one route of each kind, its cache and its auth."""

    cache: MemoryCache = field(default_factory=MemoryCache)
    auth: AuthThatKnows = field(default_factory=AuthThatKnows)

    def identities(self, environment_name: str = "production") -> Identities:
        return Identities(
            cast(Redis, self.cache),
            "http://auth",
            SecretStr(SERVICE_TOKEN),
            self.auth.client(),
            environment_name=environment_name,
        )

    def app(self) -> FastAPI:
        app = FastAPI()
        install_problem_handlers(app)
        app.state.identities = self.identities()

        @app.get("/mine")
        @app.post("/mine")
        async def mine(who: Annotated[Principal, requires(Role.FOLLOWER)]) -> dict[str, str]:
            return {"user_id": who.user_id, "via": who.via}

        @app.get("/anyone-signed-in")
        async def signed_in(who: Annotated[Principal, requires()]) -> str:
            return who.user_id

        @app.get("/open", dependencies=[public()])
        async def open_to_all() -> str:
            return "hello"

        @app.get("/internal/x", dependencies=[internal()])
        async def between_services() -> str:
            return "hello"

        return app


@pytest.fixture
def house() -> House:
    house = House()
    house.cache.put(f"signin:{sha256('cookie-1')}", FOLLOWER)
    house.cache.put(f"signin:{sha256('cookie-2')}", MASTER)
    house.auth.principals[("api_key", sha256("lsk_key-1"))] = FOLLOWER
    return house


@pytest.fixture
async def client(house: House) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(house.app())
    async with httpx.AsyncClient(transport=transport, base_url="https://lockstep.test") as client:
        yield client


def cookie(value: str) -> dict[str, str]:
    return {"Cookie": f"__Host-lockstep={value}"}


def key(value: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {value}"}


async def test_a_cookie_and_an_api_key_name_the_same_person(client: httpx.AsyncClient) -> None:
    by_cookie = await client.get("/mine", headers=cookie("cookie-1"))
    by_key = await client.get("/mine", headers=key("lsk_key-1"))

    assert by_cookie.json() == {"user_id": "u-1", "via": "cookie"}
    assert by_key.json() == {"user_id": "u-1", "via": "api_key"}


@pytest.mark.parametrize(
    "headers",
    [
        {},
        cookie("unknown"),
        key("lsk_unknown"),
        {"Authorization": "Basic bHNrX2tleS0x"},
        {"Authorization": "Bearer cookie-1"},
        {"Authorization": "lsk_key-1"},
        {"Cookie": "lockstep=cookie-1"},  # The name of demo machines counts only there.
        cookie("c" * 5_000),
        # A bad key is not made good by a good cookie.
        {**key("lsk_unknown"), **cookie("cookie-1")},
    ],
)
async def test_whoever_is_not_known_is_asked_to_sign_in(
    client: httpx.AsyncClient, headers: dict[str, str]
) -> None:
    answer = await client.get("/mine", headers=headers)

    assert answer.status_code == 401
    assert answer.json() == {"code": "SIGN_IN_REQUIRED", "message": "Sign in first."}


async def test_another_role_is_not_allowed_but_any_role_may_enter_where_none_is_named(
    client: httpx.AsyncClient,
) -> None:
    refused = await client.get("/mine", headers=cookie("cookie-2"))
    entered = await client.get("/anyone-signed-in", headers=cookie("cookie-2"))

    assert (refused.status_code, refused.json()["code"]) == (403, "NOT_ALLOWED")
    assert entered.json() == "u-2"


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Origin": "https://evil.test"},
        {"Origin": "null"},
        {"Origin": "https://lockstep.test.evil"},
        {"Origin": "https://sub.lockstep.test"},
        {"Origin": "https://lockstep.test:8443"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site", "Origin": "https://lockstep.test"},
        {"Sec-Fetch-Site": "same-origin", "Origin": "https://evil.test"},
        {"Sec-Fetch-Site": ""},
    ],
)
async def test_a_cookie_from_another_page_changes_nothing(
    client: httpx.AsyncClient, headers: dict[str, str]
) -> None:
    answer = await client.post("/mine", headers={**cookie("cookie-1"), **headers})

    assert (answer.status_code, answer.json()["code"]) == (403, "CROSS_SITE")


@pytest.mark.parametrize(
    "headers",
    [SAME, {"Origin": "https://lockstep.test"}, {"Sec-Fetch-Site": "none"}],
)
async def test_our_own_page_may_change_things(
    client: httpx.AsyncClient, headers: dict[str, str]
) -> None:
    answer = await client.post("/mine", headers={**cookie("cookie-1"), **headers})

    assert answer.status_code == 200


async def test_an_api_key_needs_no_origin(client: httpx.AsyncClient) -> None:
    assert (await client.post("/mine", headers=key("lsk_key-1"))).status_code == 200


async def test_open_routes_ask_nobody(client: httpx.AsyncClient, house: House) -> None:
    house.cache.away = house.auth.away = True

    assert (await client.get("/open")).json() == "hello"


@pytest.mark.parametrize("token", [None, "", "wrong", "bétween", SERVICE_TOKEN[:-1]])
async def test_internal_routes_take_the_service_token_only(
    client: httpx.AsyncClient, token: str | None
) -> None:
    headers = {} if token is None else {b"X-Service-Token": token.encode("latin-1")}

    refused = await client.get("/internal/x", headers=headers)
    by_person = await client.get("/internal/x", headers=cookie("cookie-1"))
    allowed = await client.get("/internal/x", headers={"X-Service-Token": SERVICE_TOKEN})

    assert (refused.status_code, by_person.status_code, allowed.status_code) == (401, 401, 200)


async def test_with_cache_and_auth_away_nobody_is_let_in_and_told_to_come_again(
    client: httpx.AsyncClient, house: House
) -> None:
    house.cache.away = house.auth.away = True

    answer = await client.get("/mine", headers=cookie("cookie-1"))

    assert (answer.status_code, answer.json()["code"]) == (503, "UNAVAILABLE")


async def test_without_the_cache_auth_is_asked_by_hash_and_with_the_service_token(
    house: House,
) -> None:
    house.cache.away = True
    house.auth.principals[("cookie", sha256("cookie-1"))] = FOLLOWER

    who = await house.identities().of_cookie("cookie-1")

    assert who == Principal("u-1", frozenset({Role.FOLLOWER}), "f@lockstep.local", "cookie")
    (request,) = house.auth.requests
    assert request.headers["X-Service-Token"] == SERVICE_TOKEN
    assert b"cookie-1" not in request.content


async def test_an_answer_is_remembered_for_a_second_at_most(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [1000.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    identities = house.identities()

    first = await identities.of_cookie("cookie-1")
    house.cache.entries.clear()  # Signed out: auth deletes the entry.
    now[0] += 0.9
    within = await identities.of_cookie("cookie-1")
    now[0] += 0.2
    after = await identities.of_cookie("cookie-1")

    assert (first, after) == (within, None)
    assert house.cache.asked == 2


async def test_a_sign_in_that_ran_out_is_nobody(house: House) -> None:
    past = (datetime.now(UTC) - timedelta(seconds=1)).isoformat()
    house.cache.put(f"signin:{sha256('old')}", {**FOLLOWER, "expires_at": past})
    house.cache.put(f"signin:{sha256('young')}", {**FOLLOWER, "expires_at": "2999-01-01T00:00:00Z"})

    assert await house.identities().of_cookie("old") is None
    assert await house.identities().of_cookie("young") is not None


async def test_an_unreadable_cache_entry_is_passed_over(house: House) -> None:
    house.cache.put(f"signin:{sha256('odd')}", b"\xff not json")
    house.cache.put(f"signin:{sha256('list')}", ["no", "principal"])
    for token in ("odd", "list"):
        house.auth.principals[("cookie", sha256(token))] = FOLLOWER

        assert await house.identities().of_cookie(token) is not None


async def test_nonsense_from_auth_is_not_an_identity(house: House) -> None:
    house.auth.broken = True

    with pytest.raises(IdentityUnavailable):
        await house.identities().of_cookie("unknown")


async def test_a_role_of_a_later_version_grants_nothing(house: House) -> None:
    house.cache.put(f"signin:{sha256('x')}", {**FOLLOWER, "roles": ["follower", "superhero"]})

    who = await house.identities().of_cookie("x")

    assert who is not None
    assert who.roles == {Role.FOLLOWER}


async def test_what_is_remembered_is_bounded(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(identity, "_REMEMBERED_MAX", 10)
    identities = house.identities()

    for at in range(100):
        await identities.of_cookie(f"guess-{at}")

    assert len(identities._remembered) <= 10  # noqa: SLF001  # The bound is the point.


def test_the_cookie_is_host_bound_except_on_a_demo_machine() -> None:
    assert cookie_name("production") == "__Host-lockstep"
    assert cookie_name("local") == "lockstep"


def test_the_matrix_can_read_who_may_enter() -> None:
    named: Any = requires(Role.MASTER, Role.ADMIN).dependency
    kinds: list[Any] = [requires().dependency, public().dependency, internal().dependency]

    assert named.allowed_roles == {Role.MASTER, Role.ADMIN}
    assert [kind.access for kind in kinds] == ["roles", "public", "internal"]
