"""Small stand-ins for the cache and for auth, as identity and sessions meet them."""

import hashlib
import json
from typing import Any

import httpx
from redis.exceptions import ConnectionError as CacheAway


class MemoryCache:
    """The part of Redis that is asked; `away` makes it fail like a lost connection."""

    def __init__(self, **entries: Any) -> None:
        self.entries: dict[bytes, str | bytes] = {
            name.encode(): json.dumps(value) for name, value in entries.items()
        }
        self.away = False
        self.asked = 0

    def put(self, name: str, value: Any) -> None:
        self.entries[name.encode()] = value if isinstance(value, bytes) else json.dumps(value)

    async def get(self, name: str) -> Any:
        self.asked += 1
        if self.away:
            raise CacheAway("the cache is away")
        return self.entries.get(name.encode())

    async def mget(self, names: list[str]) -> list[Any]:
        return [await self.get(name) for name in names]


class AuthThatKnows:
    """auth's internal routes; `away` makes it refuse connections, `broken` answer nonsense."""

    def __init__(self) -> None:
        self.principals: dict[tuple[str, str], dict[str, Any]] = {}
        self.sessions: dict[str, dict[str, Any]] = {}
        self.requests: list[httpx.Request] = []
        self.away = False
        self.broken = False

    def client(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(transport=httpx.MockTransport(self._answer))

    def _answer(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        if self.away:
            raise httpx.ConnectError("refused")
        if self.broken:
            return httpx.Response(200, text="<html>")
        asked = json.loads(request.content)
        if request.url.path == "/internal/identities":
            found = self.principals.get((asked["kind"], asked["hash"]))
            return httpx.Response(200, json={"principal": found})
        sessions = [self.sessions[a] for a in asked["account_ids"] if a in self.sessions]
        return httpx.Response(200, json={"sessions": sessions})


def sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
