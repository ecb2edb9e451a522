"""The last line of every test run that used servers: which ones."""

import pytest

from tests import servers

_WORDS = {
    "environment": "the addresses in the environment",
    "containers": "containers (a container engine answers)",
    "local": "the local stack (no container engine answers)",
}


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    # A header would be lost in quiet runs, which is how make runs them.
    reports = [*terminalreporter.getreports("passed"), *terminalreporter.getreports("failed")]
    if any(report.nodeid.startswith("tests/integration") for report in reports):
        terminalreporter.write_line(f"servers: {_WORDS[servers.source()]}")
