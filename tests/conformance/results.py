"""What a run of the conformance suite showed, broker by broker, for people and scripts."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson
import pytest


@dataclass
class Results:
    """Collects the reports of tests that named a broker."""

    brokers: dict[str, dict[str, Any]] = field(default_factory=dict)

    def note(self, report: pytest.TestReport) -> None:
        """Count a test once: when it ran, or when it ended before or after."""
        name = dict(report.user_properties).get("broker")
        if name is None or (report.when != "call" and report.outcome == "passed"):
            return
        counts = self.brokers.setdefault(str(name), {"passed": 0, "failed": 0, "skipped": []})
        if report.outcome == "skipped":
            reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else ""
            counts["skipped"].append({"test": report.nodeid, "capability": reason})
        else:
            counts[report.outcome] += 1

    def write(self, path: Path) -> None:
        """Leave the file of the last run that had conformance tests."""
        if self.brokers:
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(orjson.dumps({"brokers": self.brokers}, option=orjson.OPT_INDENT_2))
