"""The last line of every test run that used servers: which ones."""

import pytest
from hypothesis import HealthCheck, settings

from tests import servers

# A pause of the machine or of the collector is no failure of the code: a timing is never a test.
settings.register_profile("lockstep", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("lockstep")

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
