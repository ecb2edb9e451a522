"""docs/copy-report.md is held against the code it describes."""

import re
from pathlib import Path

from services.signal.report_answers import TotalsAnswer
from services.signal.report_explaining import Outcome
from services.signal.report_queries import STAGES

_PAGE = (Path(__file__).resolve().parents[4] / "docs" / "copy-report.md").read_text()


def first_column(heading: str) -> set[str]:
    """Read the names in the first column of the table under a heading."""
    section = _PAGE.split(f"## {heading}\n")[1].split("\n## ")[0]
    cells = [line.split("|")[1] for line in section.splitlines() if line.startswith("| ")]
    return set(re.findall(r"\w+", " ".join(cells[1:])))


def test_every_outcome_is_told() -> None:
    assert first_column("Why was I not copied?") == {outcome.value for outcome in Outcome}


def test_every_stage_is_told() -> None:
    assert first_column("Latency") == set(STAGES)


def test_every_count_is_told() -> None:
    assert [name for name in TotalsAnswer.model_fields if f"`{name}`" not in _PAGE] == []
