"""Who is signed in, as auth keeps it: copies in Redis, and an answer to services that ask."""

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

from redis.asyncio import Redis

_SPACE = {"cookie": "signin", "api_key": "apikey"}


@dataclass(slots=True, kw_only=True)
class AuthThatKnows:
    """Answers `POST /internal/identities` by the contract, and nothing else."""

    redis: Redis
    url: str = ""
    asked: int = 0
    _principals: dict[str, dict[str, Any]] = field(default_factory=dict)

    async def remember(
        self,
        kind: Literal["cookie", "api_key"],
        token: str,
        user_id: str,
        roles: tuple[str, ...],
        *,
        cached: bool = True,
    ) -> None:
        hashed = hashlib.sha256(token.encode()).hexdigest()
        principal = {
            "user_id": user_id,
            "roles": list(roles),
            "email": "somebody@lockstep.local",
            "expires_at": "2100-01-01T00:00:00Z",
        }
        self._principals[hashed] = principal
        if cached:
            await self.redis.set(f"{_SPACE[kind]}:{hashed}", json.dumps(principal), ex=60)

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
                length = int(head.split("content-length:")[1].split()[0])
                asked = json.loads(await reader.readexactly(length))
                self.asked += 1
                body = json.dumps({"principal": self._principals.get(asked["hash"])}).encode()
                writer.write(
                    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
                    b"Content-Length: %d\r\n\r\n%b" % (len(body), body)
                )
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # The service is gone.
        finally:
            writer.close()


@asynccontextmanager
async def auth_that_knows(redis_url: str) -> AsyncIterator[AuthThatKnows]:
    async with Redis.from_url(redis_url) as redis:
        auth = AuthThatKnows(redis=redis)
        server = await asyncio.start_server(auth.answer, "127.0.0.1", 0)
        auth.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        try:
            yield auth
        finally:
            server.close()
