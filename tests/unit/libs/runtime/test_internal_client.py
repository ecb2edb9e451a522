from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest
from cryptography.fernet import Fernet
from pydantic import SecretStr
from redis.asyncio import Redis

from libs.runtime.internal_client import SessionSource, session_place
from libs.runtime.vault import KeyRing
from tests.unit.libs.runtime.fakes import AuthThatKnows, MemoryCache

RING = KeyRing([Fernet.generate_key()])
LATER = (datetime.now(UTC) + timedelta(hours=8)).isoformat()


def a_sealed_session(account_id: str, ring: KeyRing = RING, **changes: Any) -> dict[str, Any]:
    wrapped = ring.new_data_key()
    key = ring.unwrap(wrapped)
    place = session_place(account_id, "fyers", "access_token")
    sealed: dict[str, Any] = {
        "account_id": account_id,
        "broker": "fyers",
        "client_id": "XB00001",
        "environment": "PAPER",
        "expires_at": LATER,
        "egress": None,
        "wrapped_key": wrapped,
        "version": 3,
        "fields": {"access_token": key.seal(f"token of {account_id}", place)},
    }
    return {**sealed, **changes}


class Around:
    def __init__(self) -> None:
        self.cache = MemoryCache()
        self.auth = AuthThatKnows()
        self.source = SessionSource(
            cast(Redis, self.cache), "http://auth/", SecretStr("t"), RING, self.auth.client()
        )


@pytest.fixture
def around() -> Around:
    return Around()


async def test_what_the_cache_has_is_not_asked_of_auth(around: Around) -> None:
    around.cache.put("session:a-1", a_sealed_session("a-1"))

    found = await around.source.sessions(["a-1"], "fyers")

    session = found["a-1"]
    assert session.secrets == {"access_token": "token of a-1"}
    assert (session.client_id, session.environment, session.version) == ("XB00001", "PAPER", 3)
    assert around.auth.requests == []
    assert "token of" not in repr(session)


async def test_what_the_cache_lacks_is_asked_of_auth_in_bulk(around: Around) -> None:
    ids = [f"a-{number}" for number in range(501)]
    around.auth.sessions = {its_id: a_sealed_session(its_id) for its_id in ids[:500]}
    around.cache.put("session:a-0", a_sealed_session("a-0"))

    found = await around.source.sessions(ids, "fyers")

    assert list(found) == ids[:500]
    assert len(around.auth.requests) == 1
    assert around.auth.requests[0].headers["X-Service-Token"] == "t"


async def test_nothing_asked_is_nothing_found(around: Around) -> None:
    assert await around.source.sessions([], "fyers") == {}
    assert (around.cache.asked, around.auth.requests) == (0, [])


async def test_each_part_may_be_away_and_the_other_still_serves(around: Around) -> None:
    around.auth.sessions = {"a-1": a_sealed_session("a-1")}
    around.cache.put("session:a-1", a_sealed_session("a-1"))

    around.cache.away = True
    by_auth = await around.source.sessions(["a-1"], "fyers")
    around.cache.away, around.auth.away = False, True
    by_cache = await around.source.sessions(["a-1", "a-2"], "fyers")
    around.cache.away = True
    by_nobody = await around.source.sessions(["a-1"], "fyers")

    assert (list(by_auth), list(by_cache), by_nobody) == (["a-1"], ["a-1"], {})


@pytest.mark.parametrize(
    "stored",
    [
        b"not json",
        ["a", "list"],
        {},
        a_sealed_session("a-1", KeyRing([Fernet.generate_key()])),  # A key we do not have.
        {**a_sealed_session("a-2"), "account_id": "a-1"},  # Moved here from another account.
        a_sealed_session("a-1", broker="another"),
        a_sealed_session("a-1", expires_at="2020-01-01T00:00:00+00:00"),
        a_sealed_session("a-1", fields={"access_token": "v1.fernet.00000000.abc"}),
        a_sealed_session("a-1", fields=["access_token"]),
    ],
)
async def test_what_cannot_be_used_is_passed_over_and_auth_is_asked(
    around: Around, stored: Any
) -> None:
    around.cache.put("session:a-1", stored)
    around.auth.sessions = {"a-1": a_sealed_session("a-1")}

    found = await around.source.sessions(["a-1"], "fyers")

    assert found["a-1"].secrets == {"access_token": "token of a-1"}
    assert len(around.auth.requests) == 1


async def test_an_account_without_session_is_missing_not_an_error(around: Around) -> None:
    assert await around.source.sessions(["a-1"], "fyers") == {}

    around.auth.broken = True
    assert await around.source.sessions(["a-1"], "fyers") == {}
