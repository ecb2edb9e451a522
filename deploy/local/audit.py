"""Holds the lock against published advisories with pip-audit, once a day per lock.

An advisory fails the check unless `[tool.lockstep.audit]` in pyproject.toml excuses it, with a
reason and a date. Where the source of advisories cannot be reached, it says so and does not fail.
"""

import hashlib
import json
import os
import subprocess
import sys
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from deploy.local.layout import ROOT, layout_of

_LOCK = ROOT / "requirements.lock"
_WAIT_S = 120


@dataclass(frozen=True, slots=True)
class Verdict:
    line: str
    fails: bool = False
    reached: bool = True


def main() -> int:
    today = datetime.now(UTC).date()
    stamp = _stamp(today)
    if stamp.exists():
        _say(f"{stamp.read_text()} (asked earlier today)")
        return 0
    excused = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["lockstep"]["audit"]
    verdict = judge(_ask(), excused["exceptions"], today)
    if verdict.reached and not verdict.fails:
        stamp.parent.mkdir(parents=True, exist_ok=True)
        stamp.write_text(verdict.line)
    _say(verdict.line)
    return int(verdict.fails)


def judge(
    report: Mapping[str, Any] | None, exceptions: Sequence[Mapping[str, Any]], today: date
) -> Verdict:
    """Decide what a report means. None or packages nobody could look up: not audited."""
    packages = report["dependencies"] if report else []
    asked = [package for package in packages if "vulns" in package]
    if not asked:
        return Verdict(
            "its source of advisories cannot be reached: nothing was audited", False, False
        )
    valid = {item["id"] for item in exceptions if item["until"] >= today}
    found = [
        f"{package['name']} {package['version']}: {vulnerability['id']}"
        for package in asked
        for vulnerability in package["vulns"]
        if not valid & {vulnerability["id"], *vulnerability.get("aliases", ())}
    ]
    if found:
        return Verdict(
            f"{'; '.join(found)}. Raise the version, or excuse it in pyproject.toml", fails=True
        )
    skipped = (
        f", {len(packages) - len(asked)} not known to it" if len(asked) < len(packages) else ""
    )
    return Verdict(f"{len(asked)} packages without a known vulnerability{skipped}")


def _ask() -> Mapping[str, Any] | None:
    command = [sys.executable, "-m", "pip_audit", "-r", str(_LOCK), "--disable-pip"]
    command += ["--require-hashes", "--progress-spinner", "off", "--format", "json"]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, timeout=_WAIT_S, cwd=ROOT
        )
        report: Mapping[str, Any] = json.loads(done.stdout)
    except (subprocess.TimeoutExpired, json.JSONDecodeError):
        return None
    return report


def _stamp(today: date) -> Path:
    lock = hashlib.sha256(_LOCK.read_bytes()).hexdigest()[:16]
    return layout_of(os.environ).cache / "audit" / f"{today}-{lock}"


def _say(line: str) -> None:
    sys.stdout.write(f"pip-audit: {line}\n")


if __name__ == "__main__":
    sys.exit(main())
