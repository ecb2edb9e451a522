from datetime import date
from typing import Any

from deploy.local.audit import judge

_TODAY = date(2026, 11, 21)


def a_report(*advisories: str) -> dict[str, Any]:
    found = [{"id": advisory, "aliases": [f"CVE-of-{advisory}"]} for advisory in advisories]
    return {"dependencies": [{"name": "thing", "version": "1.0", "vulns": found}]}


def excused(advisory: str, until: date) -> list[dict[str, Any]]:
    return [{"id": advisory, "until": until, "reason": "not reached"}]


def test_an_advisory_fails_and_names_the_package() -> None:
    verdict = judge(a_report("GHSA-1"), [], _TODAY)

    assert verdict.fails
    assert "thing 1.0: GHSA-1" in verdict.line


def test_an_exception_holds_until_its_date_and_no_longer() -> None:
    exception = excused("GHSA-1", _TODAY)

    assert not judge(a_report("GHSA-1"), exception, _TODAY).fails
    assert judge(a_report("GHSA-1"), exception, date(2026, 11, 22)).fails


def test_an_exception_may_name_the_other_number_of_the_same_advisory() -> None:
    assert not judge(a_report("GHSA-1"), excused("CVE-of-GHSA-1", _TODAY), _TODAY).fails


def test_a_source_that_answers_nothing_is_told_and_fails_nothing() -> None:
    nobody = {"dependencies": [{"name": "thing", "skip_reason": "not found"}]}

    for report in (None, nobody):
        verdict = judge(report, [], _TODAY)
        assert not verdict.fails
        assert "cannot be reached" in verdict.line


def test_what_was_not_looked_up_is_counted_apart() -> None:
    report = a_report()
    report["dependencies"].append({"name": "other", "skip_reason": "not found"})

    assert judge(report, [], _TODAY).line == (
        "1 packages without a known vulnerability, 1 not known to it"
    )
