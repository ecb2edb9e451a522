"""`make mutants` is not part of every check, but its patches must go on fitting the code."""

from pathlib import Path

import pytest

from tests.mutants.__main__ import MUTANTS
from tests.mutants.mutant import DoesNotApply, Edit, Mutant

ROOT = Path(__file__).resolve().parents[3]


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_a_mutant_still_applies(mutant: Mutant) -> None:
    for edit in mutant.edits:
        assert edit.applied(ROOT) != (ROOT / edit.file).read_text()
    for test in mutant.tests:
        assert (ROOT / test).exists()


def test_a_patch_that_no_longer_applies_is_loud_and_changes_nothing(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("one\n")
    fits = Edit(file="a.py", old="one", new="two")
    gone = Edit(file="a.py", old="three", new="four")

    with pytest.raises(DoesNotApply, match="three"):
        Mutant(name="", why="", edits=[fits, gone], tests=[]).apply(tmp_path)

    assert (tmp_path / "a.py").read_text() == "one\n"
