"""`make mutants`: each mutant on a copy of the tree, on one set of servers. All must be caught."""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tests.mutants import safety, sources
from tests.mutants.mutant import DoesNotApply, Mutant
from tests.servers import Servers, running_servers

ROOT = Path(__file__).resolve().parents[2]
MUTANTS = (*safety.MUTANTS, *sources.MUTANTS)
_LEFT_OUT = (".git", ".venv", "run", "node_modules", "__pycache__", ".*_cache", "dist")
_FAILED = re.compile(r"^(?:FAILED|ERROR) (\S+)", re.MULTILINE)
_FAILURES_MAX = 5
_TESTS_S = 600
_WIDTH = 150


class TestsAreRed(Exception):
    """The tests fail without any mutant: nothing could be learnt from them."""


@dataclass(slots=True)
class Outcome:
    name: str
    why: str
    caught: bool
    seconds: float
    tests: list[str] = field(default_factory=list)


def main(words: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="make mutants", description=__doc__)
    parser.add_argument("--only", default="", help="mutants whose name contains this")
    parser.add_argument("--out", type=Path, default=Path("run/mutants.json"), help="result file")
    arguments = parser.parse_args(words)
    console = Console(highlight=False, width=_WIDTH)
    chosen = [mutant for mutant in MUTANTS if arguments.only in mutant.name]
    try:
        with tempfile.TemporaryDirectory(prefix="lockstep-mutants-") as folder:
            outcomes = _judged(chosen, Path(folder) / "tree", console)
    except (DoesNotApply, TestsAreRed) as error:
        console.print(f"✗ {error}")
        return 2
    _write(arguments.out, outcomes)
    _show(outcomes, console)
    return 0 if outcomes and all(outcome.caught for outcome in outcomes) else 1


def _judged(mutants: Sequence[Mutant], tree: Path, console: Console) -> list[Outcome]:
    shutil.copytree(ROOT, tree, ignore=shutil.ignore_patterns(*_LEFT_OUT), symlinks=True)
    for mutant in mutants:
        for edit in mutant.edits:
            edit.applied(tree)
    outcomes = []
    with running_servers() as servers:
        wanted = sorted({test for mutant in mutants for test in mutant.tests})
        if failed := _failing(tree, wanted, servers):
            raise TestsAreRed(f"red without any mutant: {', '.join(failed)}")
        console.print(f"✓ {len(wanted)} files and folders of tests are green without a mutant")
        for mutant in mutants:
            outcome = _one(mutant, tree, servers)
            mark = "✓" if outcome.caught else "✗"
            console.print(f"{mark} {mutant.name:<34} {outcome.seconds:5.1f} s  {mutant.why}")
            outcomes.append(outcome)
    return outcomes


def _one(mutant: Mutant, tree: Path, servers: Servers) -> Outcome:
    began = time.monotonic()
    before = mutant.apply(tree)
    try:
        failed = _failing(tree, mutant.tests, servers)
    finally:
        for path, text in before.items():
            path.write_text(text)
    return Outcome(
        name=mutant.name,
        why=mutant.why,
        caught=bool(failed),
        seconds=round(time.monotonic() - began, 1),
        tests=failed,
    )


def _failing(tree: Path, tests: Sequence[str], servers: Servers) -> list[str]:
    """Run these tests in the copy and name those that fail, a few at most."""
    done = subprocess.run(  # noqa: S603  # Our own words.
        [sys.executable, "-m", "pytest", "-q", f"--maxfail={_FAILURES_MAX}", *tests],
        cwd=tree,
        env=_environment(servers),
        capture_output=True,
        text=True,
        check=False,
        timeout=_TESTS_S,
    )
    failed = list(dict.fromkeys(_FAILED.findall(done.stdout)))
    if done.returncode and not failed:
        # Not even collected: that is noticed too, but by no test.
        words = (done.stdout.strip() or done.stderr.strip()).splitlines()
        failed = [f"pytest ended with {done.returncode}: {words[-1] if words else 'no word'}"]
    return failed


def _environment(servers: Servers) -> Mapping[str, str]:
    return os.environ | {
        "POSTGRES_DSN": servers.postgres_dsn,
        "REDIS_URL": servers.redis_url,
        "KAFKA_BOOTSTRAP_SERVERS": servers.kafka_bootstrap_servers,
        "PYTHONDONTWRITEBYTECODE": "1",
    }


def _write(path: Path, outcomes: Sequence[Outcome]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    scratch = path.with_suffix(".new")
    scratch.write_text(json.dumps({"mutants": [asdict(outcome) for outcome in outcomes]}, indent=1))
    scratch.replace(path)


def _show(outcomes: Sequence[Outcome], console: Console) -> None:
    table = Table("mutant", "caught", "by")
    for outcome in outcomes:
        names = [name.partition("::")[2] or name for name in outcome.tests]
        table.add_row(outcome.name, "yes" if outcome.caught else "NO", "\n".join(names[:3]))
    console.print(table)
    caught = sum(outcome.caught for outcome in outcomes)
    console.print(f"{caught} of {len(outcomes)} mutants were caught")


if __name__ == "__main__":
    sys.exit(main())
