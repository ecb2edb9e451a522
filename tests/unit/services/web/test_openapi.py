"""The documents the browser's client is made from are those of today's routes."""

from deploy import openapi


def test_the_committed_documents_are_those_of_the_services() -> None:
    assert openapi.differences() == [], "run `python -m deploy.openapi` and `npm run types`"


def test_only_what_the_edge_routes_is_written_down() -> None:
    paths = {path for document in openapi.documents().values() for path in document["paths"]}

    assert {"/orders", "/auth/sign-in", "/notifications", "/strategies"} <= paths
    assert not any(path.startswith(("/internal", "/healthz", "/metrics")) for path in paths)
