"""Operators who call an executor's routes, without an auth process."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
import httpx
import orjson
from fastapi import FastAPI
from pydantic import SecretStr
from redis.asyncio import Redis

from libs.runtime.identity import Identities, Role, token_hash
from libs.runtime.problems import install_problem_handlers
from services.executor.routes import router
from tests.integration.executor.world import an_id

NOBODY_S_REDIS = "redis://127.0.0.1:9"  # Nothing listens on the discard port.


class AuthByKey(httpx.AsyncBaseTransport):
    """Answers `POST /internal/identities` for people made here, one per role."""

    def __init__(self) -> None:
        self.user_ids = {role: an_id() for role in Role}

    def key(self, role: Role) -> str:
        return f"lsk_{role.value}"

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        asked = orjson.loads(await request.aread())["hash"]
        found = next((role for role in Role if token_hash(self.key(role)) == asked), None)
        return httpx.Response(200, json={"principal": found and self._principal(found)})

    def _principal(self, role: Role) -> dict[str, object]:
        return {
            "user_id": self.user_ids[role],
            "roles": [role.value],
            "email": "somebody@lockstep.local",
        }


@asynccontextmanager
async def calling(pool: asyncpg.Pool) -> AsyncIterator[tuple[AuthByKey, FastAPI]]:
    """Serve the executor's routes over this pool."""
    auth = AuthByKey()
    app = FastAPI()
    install_problem_handlers(app)
    app.include_router(router)
    app.state.pool = pool
    redis = Redis.from_url(NOBODY_S_REDIS)
    async with httpx.AsyncClient(transport=auth) as http:
        app.state.identities = Identities(redis, "http://auth.test", SecretStr("s"), http)
        yield auth, app
    await redis.aclose()


def as_(role: Role, auth: AuthByKey, app: FastAPI) -> httpx.AsyncClient:
    return httpx.AsyncClient(
        transport=httpx.ASGITransport(app),
        base_url="http://lockstep.test",
        headers={"Authorization": f"Bearer {auth.key(role)}"},
    )
