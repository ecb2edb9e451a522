from typing import Any, cast

import pytest
from fastapi import FastAPI, WebSocket
from pydantic import SecretStr
from redis.asyncio import Redis

from libs.runtime.identity import Identities, Role, websocket_principal
from tests.unit.libs.runtime.fakes import AuthThatKnows, MemoryCache, sha256

OURS = {"Origin": "http://testserver"}


class Browser:
    """Opens a websocket and tells what it sees: the text sent first, or the code of the close."""

    def __init__(self, app: FastAPI) -> None:
        self.app = app

    async def open(self, path: str, headers: dict[str, str]) -> str | int:
        seen: list[dict[str, Any]] = []
        sent = {"Host": "testserver", **headers}
        scope = {
            "type": "websocket",
            "path": path,
            "raw_path": path.encode(),
            "query_string": b"",
            "scheme": "ws",
            "headers": [(name.lower().encode(), text.encode()) for name, text in sent.items()],
            "subprotocols": [],
            "asgi": {"version": "3.0"},
        }

        async def receive() -> dict[str, Any]:
            return {"type": "websocket.connect"}

        async def send(message: Any) -> None:
            seen.append(message)

        await self.app(scope, receive, send)
        if seen[0]["type"] != "websocket.accept":
            return 403  # Closed before it was open: the handshake's answer.
        return cast(str | int, seen[1].get("text") or seen[1]["code"])


@pytest.fixture
def cache() -> MemoryCache:
    cache = MemoryCache()
    cache.put(
        f"signin:{sha256('c-1')}", {"user_id": "u-1", "roles": ["follower"], "email": "f@x.local"}
    )
    return cache


@pytest.fixture
def browser(cache: MemoryCache) -> Browser:
    app = FastAPI()
    auth = AuthThatKnows()
    app.state.auth = auth
    app.state.identities = Identities(
        cast(Redis, cache), "http://auth", SecretStr("t"), auth.client()
    )

    @app.websocket("/ws")
    async def relay(websocket: WebSocket) -> None:
        who = await websocket_principal(websocket, Role.FOLLOWER)
        if who is not None:
            await websocket.accept()
            await websocket.send_text(who.user_id)

    @app.websocket("/ws/operators")
    async def operators(websocket: WebSocket) -> None:
        assert await websocket_principal(websocket, Role.OPERATOR) is None

    return Browser(app)


def headers(token: str, **others: str) -> dict[str, str]:
    return {**OURS, "Cookie": f"__Host-lockstep={token}", **others}


async def test_a_signed_in_follower_is_let_in(browser: Browser) -> None:
    assert await browser.open("/ws", headers("c-1")) == "u-1"


async def test_who_is_not_signed_in_or_not_allowed_sees_the_code(browser: Browser) -> None:
    assert await browser.open("/ws", headers("unknown")) == 4401
    assert await browser.open("/ws", OURS) == 4401
    assert await browser.open("/ws/operators", headers("c-1")) == 4403


@pytest.mark.parametrize("origin", ["http://evil.test", "null", "http://testserver.evil"])
async def test_another_origin_does_not_even_get_a_handshake(browser: Browser, origin: str) -> None:
    assert await browser.open("/ws", headers("c-1", Origin=origin)) == 403


async def test_a_handshake_without_origin_is_refused(browser: Browser) -> None:
    assert await browser.open("/ws", {"Cookie": "__Host-lockstep=c-1"}) == 403


async def test_with_cache_and_auth_away_the_browser_is_told_to_come_again(
    browser: Browser, cache: MemoryCache
) -> None:
    cache.away = True
    browser.app.state.auth.away = True

    assert await browser.open("/ws", headers("c-1")) == 1013
