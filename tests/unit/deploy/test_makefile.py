import re
from pathlib import Path

_TEXT = (Path(__file__).resolve().parents[3] / "Makefile").read_text()


def test_every_target_for_people_is_described() -> None:
    targets = re.findall(r"^([a-z][a-z0-9-]*):(.*)$", _TEXT, flags=re.MULTILINE)

    undescribed = [name for name, rest in targets if "##" not in rest]

    assert undescribed == []


def test_help_is_what_make_does_when_asked_for_nothing() -> None:
    assert ".DEFAULT_GOAL := help" in _TEXT


def test_the_python_version_is_checked_before_anything_runs() -> None:
    setup = _TEXT.partition("\nsetup:")[2].partition("\n\n")[0]

    assert "sys.version_info < (3, 11)" in setup
    assert setup.index("version_info") < setup.index("bootstrap.py")
