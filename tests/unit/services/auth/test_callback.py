"""The callback document: what the browser is told about it, and what it holds."""

import re

import httpx
import pytest
from fastapi import FastAPI

from libs.brokers import registry
from services.auth.routes_callback import router

MANIFEST = registry.manifest(registry.BROKERS[0])
ASSETS = ("/broker/callback/assets/callback.js", "/broker/callback/assets/callback.css")


@pytest.fixture
def browser() -> httpx.AsyncClient:
    app = FastAPI()
    app.include_router(router)
    transport = httpx.ASGITransport(app)
    return httpx.AsyncClient(transport=transport, base_url="http://lockstep.test")


async def test_s4_the_code_lingers_nowhere(browser: httpx.AsyncClient) -> None:
    answer = await browser.get(f"{MANIFEST.callback_path}?auth_code=canary-code&state=canary-state")

    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "cross-origin-opener-policy" not in answer.headers
    assert "canary" not in answer.text


async def test_the_document_is_small_own_and_without_inline_script(
    browser: httpx.AsyncClient,
) -> None:
    answer = await browser.get(MANIFEST.callback_path)

    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    sources = re.findall(r'(?:src|href)="([^"]+)"', answer.text)
    assert all(source.startswith("/") and not source.startswith("//") for source in sources)
    assert re.findall(r"<script(?![^>]*\bsrc=)", answer.text) == []
    assert re.findall(r"\son\w+=|\sstyle=|<style", answer.text) == []
    assets = [await browser.get(asset) for asset in ASSETS]
    whole = len(answer.content) + sum(len(asset.content) for asset in assets)
    assert whole < 6_000


async def test_the_document_knows_its_broker_and_the_fields_of_its_grant(
    browser: httpx.AsyncClient,
) -> None:
    document = (await browser.get(MANIFEST.callback_path)).text

    assert f'data-broker="{MANIFEST.name}"' in document
    assert f'data-title="{MANIFEST.title}"' in document
    assert 'data-fields="auth_code"' in document
    assert "$" not in document


async def test_only_get_is_taken(browser: httpx.AsyncClient) -> None:
    assert (await browser.post(MANIFEST.callback_path)).status_code == 405


@pytest.mark.parametrize("asset", ASSETS)
async def test_assets_are_served_as_what_they_are(browser: httpx.AsyncClient, asset: str) -> None:
    answer = await browser.get(asset)

    assert answer.headers["content-type"].startswith(
        "text/javascript" if asset.endswith("js") else "text/css"
    )
