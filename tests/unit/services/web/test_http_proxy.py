"""What happens to one request on its way to a service."""

import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import httpx
import pytest
from structlog.testing import capture_logs

from libs.brokers.registry import BROKERS
from services.web.app import build_app
from services.web.settings import WebSettings

Behaviour = Callable[[httpx.Request], httpx.Response]


class Services(httpx.AsyncBaseTransport):
    """Stands for every service: by port, what it does with a request; other ports refuse."""

    def __init__(self, **by_port: Behaviour) -> None:
        self.by_port = {int(name.removeprefix("on")): do for name, do in by_port.items()}
        self.asked: list[tuple[int | None, str]] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.asked.append((request.url.port, request.method))
        do = self.by_port.get(request.url.port or 80)
        if do is None:
            raise httpx.ConnectError("refused")
        await request.aread()
        answer = do(request)
        if not answer.is_closed:
            return answer
        # As from a socket: not read yet.
        unread = httpx.ByteStream(answer.content)
        return httpx.Response(answer.status_code, headers=answer.headers.raw, stream=unread)


def echo(request: httpx.Request) -> httpx.Response:
    seen = {"path": request.url.raw_path.decode(), "body": request.content.decode()}
    return httpx.Response(200, json=seen | {"headers": dict(request.headers)}, request=request)


def breaks_off(_: httpx.Request) -> httpx.Response:
    raise httpx.RemoteProtocolError("server disconnected")


def hangs(_: httpx.Request) -> httpx.Response:
    raise httpx.ReadTimeout("silent")


def edge(services: Services, folder: Path, body_bytes_max: int = 1000) -> httpx.AsyncClient:
    settings = WebSettings(
        static_dir=folder,
        executor_urls={BROKERS[0]: [f"http://127.0.0.1:{port}" for port in (8110, 8111, 8112)]},
        body_bytes_max=body_bytes_max,
    )
    transport = httpx.ASGITransport(build_app(settings, services))
    return httpx.AsyncClient(transport=transport, base_url="http://edge")


async def test_a_request_arrives_as_it_was_sent(tmp_path: Path) -> None:
    browser = edge(Services(on8102=echo), tmp_path)

    answer = await browser.post("/signals/a%2Fb?x=1&y=a%20b", json={"quantity": 10})

    seen = answer.json()
    assert seen["path"] == "/signals/a%2Fb?x=1&y=a%20b"
    assert json.loads(seen["body"]) == {"quantity": 10}
    assert seen["headers"]["host"] == "edge"
    assert seen["headers"]["x-forwarded-host"] == "edge"
    assert answer.headers["content-security-policy"] == "default-src 'none'; frame-ancestors 'none'"


@pytest.mark.parametrize("path", ["/internal/sessions", "/_control/reset", "/ws/orders", "/x"])
async def test_what_is_not_for_people_is_not_found(tmp_path: Path, path: str) -> None:
    services = Services(on8101=echo, on8103=echo)

    answer = await edge(services, tmp_path).get(path)

    assert (answer.status_code, answer.json()["code"]) == (404, "NOT_FOUND")
    assert services.asked == []


async def test_a_service_that_is_away_is_said_so(tmp_path: Path) -> None:
    answer = await edge(Services(), tmp_path).get("/auth/me")

    assert answer.status_code == 503
    assert answer.json()["code"] == "SERVICE_AWAY"
    assert answer.headers["retry-after"] == "2"


async def test_the_next_replica_is_asked_when_one_refuses_and_then_stays_first(
    tmp_path: Path,
) -> None:
    services = Services(on8111=echo)
    browser = edge(services, tmp_path)

    assert (await browser.post("/orders/o1/cancel")).status_code == 200
    assert (await browser.get("/orders")).status_code == 200
    assert services.asked == [(8110, "POST"), (8111, "POST"), (8111, "GET")]


async def test_a_read_is_tried_at_another_replica_when_the_line_breaks(tmp_path: Path) -> None:
    services = Services(on8110=breaks_off, on8111=echo)

    assert (await edge(services, tmp_path).get("/orders")).status_code == 200


async def test_a_write_whose_line_broke_is_never_sent_again(tmp_path: Path) -> None:
    services = Services(on8110=breaks_off, on8111=echo)

    answer = await edge(services, tmp_path).post("/orders/o1/cancel")

    assert (answer.status_code, answer.json()["code"]) == (502, "SERVICE_BROKE_OFF")
    assert "may or may not" in answer.json()["message"]
    assert services.asked == [(8110, "POST")]


async def test_a_silent_service_is_not_asked_twice(tmp_path: Path) -> None:
    services = Services(on8110=hangs, on8111=echo)

    answer = await edge(services, tmp_path).get("/orders")

    assert (answer.status_code, answer.json()["code"]) == (504, "SERVICE_SLOW")
    assert len(services.asked) == 1


async def test_a_body_over_the_limit_reaches_no_service(tmp_path: Path) -> None:
    services = Services(on8102=echo)

    answer = await edge(services, tmp_path, body_bytes_max=100).post("/signals", content=b"x" * 101)

    assert (answer.status_code, answer.json()["code"]) == (413, "TOO_LARGE")
    assert services.asked == []


async def test_one_persons_cookie_is_never_sent_with_anothers_request(tmp_path: Path) -> None:
    def signs_in(request: httpx.Request) -> httpx.Response:
        headers = [("set-cookie", "lockstep=first"), ("set-cookie", "theme=dark")]
        seen = {"cookie": request.headers.get("cookie")}
        return httpx.Response(200, headers=headers, json=seen, request=request)

    services = Services(on8101=signs_in)
    browser = edge(services, tmp_path)
    first = await browser.post("/auth/sign-in")
    browser.cookies.clear()

    second = await browser.post("/auth/sign-in")

    assert first.headers.get_list("set-cookie") == ["lockstep=first", "theme=dark"]
    assert second.json() == {"cookie": None}


async def test_an_answer_is_passed_on_in_pieces(tmp_path: Path) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        yield b"one,"
        yield b"two"

    def streams(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, content=pieces(), request=request)

    async with edge(Services(on8110=streams), tmp_path).stream("GET", "/orders") as answer:
        got = b"".join([piece async for piece in answer.aiter_raw()])

    assert got == b"one,two"
    assert "content-length" not in answer.headers


@pytest.mark.parametrize("services", [Services(), Services(on8102=hangs)])
async def test_the_secret_of_a_webhook_is_not_logged(services: Services, tmp_path: Path) -> None:
    with capture_logs() as lines:
        async with edge(services, tmp_path) as browser:
            answer = await browser.post("/webhooks/0198/hunter22", content=b"{}")

    assert answer.status_code in {503, 504}
    assert lines
    assert "hunter22" not in str(lines)
