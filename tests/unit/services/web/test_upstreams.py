"""Which replica is asked first."""

from pathlib import Path

import pytest

from services.web.routing import Target
from services.web.settings import WebSettings
from services.web.upstreams import Replicas, Upstreams, open_upstreams


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_the_replica_that_answered_is_asked_first_for_five_seconds() -> None:
    clock = Clock()
    replicas = Replicas(["http://a:1", "http://b:2", "http://c:3"], clock)

    replicas.answered("http://b:2")

    assert replicas.in_order() == ["http://b:2", "http://a:1", "http://c:3"]
    clock.now += 5.1
    assert replicas.in_order() == ["http://a:1", "http://b:2", "http://c:3"]


def test_a_replica_that_refused_is_no_longer_first() -> None:
    replicas = Replicas(["http://a:1", "http://b:2"])
    replicas.answered("http://b:2")

    replicas.refused("http://b:2")

    assert replicas.in_order() == ["http://a:1", "http://b:2"]


def test_a_shared_route_may_be_answered_by_any_brokers_executor() -> None:
    upstreams = Upstreams(
        {}, {"one": Replicas(["http://a:1", "http://a:2"]), "two": Replicas(["http://b:1"])}
    )

    shared = upstreams.of(Target("executor"))
    named = upstreams.of(Target("executor", "two"))

    assert shared is not None
    assert shared.in_order() == ["http://a:1", "http://b:1", "http://a:2"]
    assert named is not None
    assert named.in_order() == ["http://b:1"]
    assert upstreams.of(Target("executor", "three")) is None


def test_executors_default_to_eight_local_ports_per_broker() -> None:
    executors = WebSettings(executor_urls={}).executors()

    first = next(iter(executors.values()))
    assert first[0] == "http://127.0.0.1:8110"
    assert first[7] == "http://127.0.0.1:8117"


def test_an_address_with_a_path_is_refused_with_an_example(tmp_path: Path) -> None:
    settings = WebSettings(auth_url="127.0.0.1:8101/x", static_dir=tmp_path)

    with pytest.raises(ValueError, match=r"write http://127\.0\.0\.1:8101"):
        open_upstreams(settings)
