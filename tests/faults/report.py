"""The table on screen and run/faults.json."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from tests.faults.isolation import Isolation


@dataclass(slots=True)
class RowResult:
    """All runs of one row. `recovery_s` is the slowest."""

    row: int
    name: str
    size: str = ""
    runs: int = 0
    passed: int = 0
    recovery_s: float | None = None
    seconds: float = 0
    violations: list[str] = field(default_factory=list)
    # What was seen and is not judged: timings above all.
    said: list[str] = field(default_factory=list)
    # I9, a timing: told, never judged.
    isolation: Isolation = field(default_factory=Isolation)
    not_possible: str = ""

    @property
    def fine(self) -> bool:
        return self.runs > 0 and self.passed == self.runs

    def add(self, recovery_s: float | None, seconds: float, violations: list[str]) -> None:
        self.runs += 1
        self.passed += not violations
        self.seconds = max(self.seconds, seconds)
        self.violations += violations
        if recovery_s is not None:
            self.recovery_s = round(max(recovery_s, self.recovery_s or 0), 2)

    def as_json(self) -> dict[str, Any]:
        shown: dict[str, Any] = {
            "row": self.row,
            "name": self.name,
            "size": self.size,
            "runs": self.runs,
            "passed": self.passed,
            "recovery_s": self.recovery_s,
            "seconds": round(self.seconds, 1),
            "violations": self.violations,
            "said": self.said,
            "i9": self.isolation.as_json(),
        }
        return shown | ({"not_possible": self.not_possible} if self.not_possible else {})


@dataclass(slots=True)
class Result:
    seed: int
    means: dict[str, str]
    # Whether rows had the lengths and sizes of the fault table throughout.
    full: bool = False
    rows: list[RowResult] = field(default_factory=list)
    doubled: int = 0
    lost: int = 0
    seconds: float = 0
    # Of the run as a whole, seen at its end.
    violations: list[str] = field(default_factory=list)

    @property
    def fine(self) -> bool:
        rows = all(row.fine or row.not_possible for row in self.rows)
        return bool(self.rows) and rows and not (self.doubled or self.lost or self.violations)

    def write(self, path: Path) -> None:
        content = {
            "rows": [row.as_json() for row in self.rows],
            "doubled": self.doubled,
            "lost": self.lost,
            "violations": self.violations,
            "seed": self.seed,
            "full": self.full,
            "injection": self.means,
            "seconds": round(self.seconds, 1),
        }
        path.parent.mkdir(parents=True, exist_ok=True)
        scratch = path.with_suffix(".new")
        scratch.write_text(json.dumps(content, indent=1))
        scratch.replace(path)

    def show(self, console: Console) -> None:
        table = Table("row", "fault", "passed", "recovery s", "took s", "I9 p99 ms", "violations")
        for row in self.rows:
            words = row.not_possible or "; ".join(row.violations[:3])[:160]
            table.add_row(
                str(row.row),
                f"{row.name} ({row.size})" if row.size else row.name,
                "not possible here" if row.not_possible else f"{row.passed} of {row.runs}",
                "" if row.recovery_s is None else f"{row.recovery_s:.1f}",
                f"{row.seconds:.0f}",
                row.isolation.words(),
                words,
            )
        console.print(table)
        passed = sum(row.fine for row in self.rows)
        console.print(
            f"{passed} of {len(self.rows)} rows passed, doubled {self.doubled}, lost {self.lost}, "
            f"seed {self.seed}, {self.seconds:.0f} s"
        )
        console.print(
            "I9 p99 ms: acceptance to broker, in peace → of those spared meanwhile; not judged"
        )
        for words in self.violations[:20]:
            console.print(f"✗ {words}")
        for what, means in self.means.items():
            console.print(f"{what}: {means}")
