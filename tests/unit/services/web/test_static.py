"""The built application as browsers get it."""

from pathlib import Path

import httpx
import pytest

from services.web.app import build_app
from services.web.settings import WebSettings


def open_browser(folder: Path) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(build_app(WebSettings(static_dir=folder)))
    return httpx.AsyncClient(transport=transport, base_url="http://edge")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "assets").mkdir()
    (tmp_path / "index.html").write_text("<!doctype html><title>Lockstep</title>")
    (tmp_path / "index.html.br").write_bytes(b"brotli-html")
    (tmp_path / "assets/main-Abc123.js").write_text("const a = 1")
    (tmp_path / "assets/main-Abc123.js.gz").write_bytes(b"gzip-js")
    return tmp_path


@pytest.fixture
def browser(folder: Path) -> httpx.AsyncClient:
    return open_browser(folder)


async def test_the_bare_address_leads_to_the_application(browser: httpx.AsyncClient) -> None:
    answer = await browser.get("/", follow_redirects=False)

    assert (answer.status_code, answer.headers["location"]) == (307, "/app")


@pytest.mark.parametrize("path", ["/app", "/app/", "/app/orders", "/app/orders/some-id"])
async def test_every_route_of_the_application_is_its_document(
    browser: httpx.AsyncClient, path: str
) -> None:
    answer = await browser.get(path, headers={"accept-encoding": "identity"})

    assert answer.text == "<!doctype html><title>Lockstep</title>"
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.headers["cross-origin-opener-policy"] == "same-origin-allow-popups"
    assert answer.headers["cache-control"] == "no-cache"


async def test_a_document_that_did_not_change_is_not_sent_again(browser: httpx.AsyncClient) -> None:
    etag = (await browser.get("/app", headers={"accept-encoding": "identity"})).headers["etag"]

    again = await browser.get(
        "/app", headers={"accept-encoding": "identity", "if-none-match": etag}
    )

    assert (again.status_code, again.content) == (304, b"")


async def test_the_best_precompressed_twin_is_sent(browser: httpx.AsyncClient) -> None:
    async with browser.stream("GET", "/app", headers={"accept-encoding": "gzip, br"}) as answer:
        raw = b"".join([piece async for piece in answer.aiter_raw()])

    assert (answer.headers["content-encoding"], raw) == ("br", b"brotli-html")
    assert answer.headers["vary"] == "Accept-Encoding"


async def test_a_refused_encoding_is_not_sent(browser: httpx.AsyncClient) -> None:
    headers = {"accept-encoding": "gzip;q=0, br;q=0"}

    assert "content-encoding" not in (await browser.get("/app", headers=headers)).headers


async def test_hashed_files_are_kept_for_a_year(browser: httpx.AsyncClient) -> None:
    answer = await browser.get(
        "/app/assets/main-Abc123.js", headers={"accept-encoding": "identity"}
    )

    assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert answer.headers["content-type"].startswith("text/javascript")


@pytest.mark.parametrize(
    "path", ["/app/assets/gone-Abc123.js", "/app/../pyproject.toml", "/app/%2e%2e/secret.txt"]
)
async def test_what_is_not_a_file_of_the_build_is_not_found(
    browser: httpx.AsyncClient, path: str
) -> None:
    assert (await browser.get(path)).status_code == 404


async def test_without_a_build_the_edge_says_how_to_get_one(tmp_path: Path) -> None:
    browser = open_browser(tmp_path)

    assert "npm run build" in (await browser.get("/app")).text
    assert (await browser.get("/edge/readyz")).status_code == 503
    assert (await browser.get("/healthz")).status_code == 200


async def test_the_edges_own_figures_are_below_its_own_prefix(browser: httpx.AsyncClient) -> None:
    assert (await browser.get("/edge/healthz")).status_code == 200
    assert (await browser.get("/edge/readyz")).json() == {"checks": {"files": True}}
    assert "lockstep_edge" in (await browser.get("/edge/metrics")).text
