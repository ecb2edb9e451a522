from collections.abc import AsyncIterator
from decimal import Decimal

import asyncpg
import httpx
import pytest
from fastapi import APIRouter, FastAPI
from prometheus_client import REGISTRY
from pydantic import BaseModel, Field, model_validator
from structlog.testing import capture_logs

from libs.runtime.middleware import BODY_BYTES_MAX
from libs.runtime.problems import Problem, install_problem_handlers


class Terms(BaseModel):
    quantity: int = Field(gt=0)
    limit_price: Decimal | None = None


class SignalBody(BaseModel, extra="forbid"):
    instrument: str
    terms: Terms

    @model_validator(mode="after")
    def _whole(self) -> "SignalBody":
        if self.instrument == "bad":
            raise ValueError("instrument: write it as NSE:SBIN")
        return self


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    app = FastAPI()
    install_problem_handlers(app)
    routes = APIRouter(prefix="/things")

    @routes.get("/{thing_id}")
    async def thing(thing_id: str, limit: int = 3) -> dict[str, str]:
        return {"thing_id": thing_id}

    @routes.post("")
    async def emit(body: SignalBody) -> str:
        return body.instrument

    app.include_router(routes)

    @app.get("/problem")
    async def problem() -> None:
        raise Problem(409, "TWICE", "Use another key.", field="key", data={"seq": 3})

    @app.get("/broken")
    async def broken() -> None:
        raise KeyError("select secret_column from auth.users where password='hunter22'")

    @app.get("/ledger-away")
    async def ledger_away() -> None:
        raise asyncpg.PostgresConnectionError("10.0.0.5 refused")

    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="https://x.test") as client:
        yield client


async def test_a_problem_is_answered_as_it_says(client: httpx.AsyncClient) -> None:
    answer = await client.get("/problem")

    assert answer.status_code == 409
    assert answer.json() == {
        "code": "TWICE",
        "message": "Use another key.",
        "field": "key",
        "data": {"seq": 3},
    }


@pytest.mark.parametrize(
    ("body", "field", "message"),
    [
        (
            {"instrument": "a", "terms": {"quantity": 0}},
            "terms.quantity",
            "terms.quantity: must be greater than 0",
        ),
        (
            {"instrument": "a", "terms": {"quantity": "many"}},
            "terms.quantity",
            "terms.quantity: must be a valid integer, unable to parse string as an integer",
        ),
        ({"terms": {"quantity": 1}}, "instrument", "instrument: is missing: add it"),
        (
            {"instrument": "a", "terms": {"quantity": 1}, "x": 1},
            "x",
            "x: is not known here: leave it out",
        ),
        (
            {"instrument": "bad", "terms": {"quantity": 1}},
            "instrument",
            "instrument: write it as NSE:SBIN",
        ),
    ],
)
async def test_a_bad_body_names_the_field_and_the_fix(
    client: httpx.AsyncClient, body: dict[str, object], field: str, message: str
) -> None:
    answer = await client.post("/things", json=body)

    assert answer.status_code == 422
    shown = answer.json()
    assert (shown["code"], shown["field"], shown["message"]) == ("INVALID", field, message)
    assert shown["problems"][0] == {"field": field, "message": message}


async def test_a_bad_body_lists_every_problem_and_repeats_nothing_sent(
    client: httpx.AsyncClient,
) -> None:
    answer = await client.post(
        "/things", json={"terms": {"quantity": "hunter22", "limit_price": "hunter22"}}
    )

    assert [problem["field"] for problem in answer.json()["problems"]] == [
        "instrument",
        "terms.quantity",
        "terms.limit_price",
    ]
    assert "hunter22" not in answer.text


async def test_a_body_that_is_no_json_is_told_so(client: httpx.AsyncClient) -> None:
    answer = await client.post(
        "/things", content=b"{oops", headers={"Content-Type": "application/json"}
    )

    assert answer.status_code == 422
    assert answer.json()["message"] == "the body is not JSON: send one JSON object"


async def test_the_unexpected_shows_a_correlation_id_and_nothing_else(
    client: httpx.AsyncClient,
) -> None:
    with capture_logs() as logged:
        answer = await client.get("/broken", headers={"X-Correlation-Id": "abc-12345"})

    assert [line["event"] for line in logged if line["log_level"] == "error"] == ["request_failed"]
    assert answer.status_code == 500
    assert answer.json()["code"] == "INTERNAL"
    assert answer.json()["correlation_id"] == answer.headers["X-Correlation-Id"] == "abc-12345"
    for secret in ("select", "secret_column", "hunter22", "KeyError", "Traceback"):
        assert secret not in answer.text


async def test_a_ledger_that_is_away_is_a_503_without_its_address(
    client: httpx.AsyncClient,
) -> None:
    answer = await client.get("/ledger-away")

    assert (answer.status_code, answer.json()["code"]) == (503, "UNAVAILABLE")
    assert answer.headers["Retry-After"] == "1"
    assert "10.0.0.5" not in answer.text


async def test_unknown_addresses_and_methods_have_the_same_shape(
    client: httpx.AsyncClient,
) -> None:
    missing, method = await client.get("/nowhere"), await client.delete("/problem")

    assert (missing.status_code, missing.json()["code"]) == (404, "NOT_FOUND")
    assert (method.status_code, method.json()["code"]) == (405, "METHOD_NOT_ALLOWED")


@pytest.mark.parametrize("given", ["short", "with space and more", "x" * 65, "<script>alert(1)"])
async def test_a_strange_correlation_id_is_replaced(client: httpx.AsyncClient, given: str) -> None:
    answer = await client.get("/things/1", headers={"X-Correlation-Id": given})

    assert answer.headers["X-Correlation-Id"] != given
    assert len(answer.headers["X-Correlation-Id"]) == 36


async def test_answers_are_neither_sniffed_nor_stored(client: httpx.AsyncClient) -> None:
    answer = await client.get("/things/1")

    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("announced", [True, False])
async def test_a_body_above_the_limit_is_refused_whether_announced_or_not(
    client: httpx.AsyncClient, announced: bool
) -> None:
    body = b" " * (BODY_BYTES_MAX + 1)

    async def in_pieces() -> AsyncIterator[bytes]:
        for at in range(0, len(body), 65_536):
            yield body[at : at + 65_536]

    answer = await client.post(
        "/things",
        content=body if announced else in_pieces(),
        headers={"Content-Type": "application/json"},
    )

    assert (answer.status_code, answer.json()["code"]) == (413, "TOO_LARGE")


async def test_figures_are_kept_by_template_never_by_path(client: httpx.AsyncClient) -> None:
    for at in range(5):
        await client.get(f"/things/id-{at}")
        await client.get(f"/nowhere/id-{at}")
        await client.request(f"ODD{at}", "/problem")

    routes = {
        sample.labels["route"]
        for metric in REGISTRY.collect()
        for sample in metric.samples
        if sample.name == "lockstep_http_request_seconds_count"
    }
    methods = {
        sample.labels["method"]
        for metric in REGISTRY.collect()
        for sample in metric.samples
        if sample.name == "lockstep_http_request_seconds_count"
    }
    assert "/things/{thing_id}" in routes
    assert not any("id-" in route for route in routes)
    assert "OTHER" in methods
    assert not any(method.startswith("ODD") for method in methods)
