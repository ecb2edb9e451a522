from collections.abc import Mapping

import httpx
from fastapi import FastAPI

from libs.runtime.health import health_router


async def asked(path: str, checks: Mapping[str, bool]) -> httpx.Response:
    async def ready() -> Mapping[str, bool]:
        return checks

    app = FastAPI()
    app.include_router(health_router(ready))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://x") as client:
        return await client.get(path)


async def test_a_process_is_alive_whatever_it_waits_for() -> None:
    answer = await asked("/healthz", {"kafka": False})

    assert (answer.status_code, answer.json()) == (200, {"status": "alive"})


async def test_ready_says_what_is_missing() -> None:
    waiting = await asked("/readyz", {"postgres": True, "kafka": False})
    ready = await asked("/readyz", {"postgres": True, "kafka": True})

    assert waiting.status_code == 503
    assert waiting.json() == {"checks": {"postgres": True, "kafka": False}}
    assert ready.status_code == 200


async def test_the_figures_are_in_the_prometheus_format() -> None:
    answer = await asked("/metrics", {})

    assert answer.headers["content-type"].startswith("text/plain; version=")
    assert "lockstep_http_request_seconds" in answer.text
