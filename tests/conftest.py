"""The header of every test run: which servers its integration tests would use."""

from tests import servers

_WORDS = {
    "environment": "the addresses in the environment",
    "containers": "containers (a container engine answers)",
    "local": "the local stack (no container engine answers)",
}


def pytest_report_header() -> str:
    return f"servers: {_WORDS[servers.source()]}"
