"""Which service answers a path, and which paths nobody answers."""

import pytest

from services.web.routing import Target, target_of


@pytest.mark.parametrize(
    ("path", "service"),
    [
        ("/auth/sign-in", "auth"),
        ("/client/broker/some/auth-url", "auth"),
        ("/trader/broker/some/status", "auth"),
        ("/notifications", "auth"),
        ("/notifications/n1/read", "auth"),
        ("/broker/callback", "auth"),
        ("/broker/callback/some", "auth"),
        ("/api/auth/some-callback", "auth"),
        ("/strategies", "signal"),
        ("/follows/f1", "signal"),
        ("/signals", "signal"),
        ("/webhooks/s1/secret", "signal"),
        ("/reports", "signal"),
        ("/instruments", "signal"),
        ("/account-limits/a1", "executor"),
        ("/orders", "executor"),
        ("/orders/", "executor"),
        ("/positions", "executor"),
        ("/approvals", "executor"),
        ("/attention", "executor"),
        ("/kill-switches", "executor"),
        ("/preview", "executor"),
        ("/readiness", "executor"),
        ("/dead-letters", "executor"),
        ("/shards", "executor"),
        ("/ws/orders", "streaming"),
        ("/ws/market", "streaming"),
        ("/market/quotes", "streaming"),
        ("/feeds", "streaming"),
    ],
)
def test_every_prefix_has_its_service(path: str, service: str) -> None:
    assert target_of(path) == Target(service)


def test_a_route_that_calls_a_broker_goes_to_that_brokers_executors() -> None:
    assert target_of("/broker/some/simulator/state") == Target("executor", "some")


@pytest.mark.parametrize(
    "path",
    [
        "/internal",
        "/internal/sessions",
        "/_control/journal",
        "/orders/_control/journal",
        "/orders/../internal/sessions",
        "/auth/./me",
        "/auth//internal",
        "//internal/sessions",
        "/auth\\..\\internal",
        "/auth/%2e%2e/internal",  # Was encoded twice.
        "/ws/other",
        "/api/auth",
        "/api/other",
        "/broker/some",
        "/broker//x",
        "/metrics",
        "/docs",
        "/openapi.json",
        "/ordersx",
        "",
        "/",
    ],
)
def test_nothing_else_is_routed(path: str) -> None:
    assert target_of(path) is None
