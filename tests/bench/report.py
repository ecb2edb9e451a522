"""What a person and a script get to see: a table, the targets, and `run/bench.json`."""

import json
import os
import platform
import statistics
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from deploy.local.layout import ROOT
from tests.bench.bench import Bench
from tests.bench.figures import STAGES, Figures, parts_of, spread
from tests.bench.targets import Target, ratio_spreads_of, ratios_of, targets_of

_PACKAGES = ("asyncpg", "aiokafka", "faststream", "pyreqwest", "uvloop", "httpx", "requests")
_WRONG_SHOWN = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """One run. `fine` says that no order was lost or doubled and that nothing broke."""

    machine: Mapping[str, Any]
    options: Mapping[str, Any]
    figures: Figures
    ratios: Mapping[str, float]
    ratio_spreads: Mapping[str, tuple[float, float]]
    targets: Sequence[Target]
    doubled: Sequence[str]
    lost: Sequence[str]
    apart: Mapping[str, int]
    orders: int
    broken: str | None

    @property
    def fine(self) -> bool:
        return not self.doubled and not self.lost and self.broken is None

    def as_json(self) -> dict[str, Any]:
        return {
            "machine": self.machine,
            "options": self.options,
            "facts": self.figures.facts,
            "figures": self.figures.as_json(),
            "ratios": self.ratios,
            "ratio_spreads": self.ratio_spreads,
            "targets": [target.as_json() for target in self.targets],
            "orders": self.orders,
            "doubled": len(self.doubled),
            "lost": len(self.lost),
            "apart": dict(self.apart),
            "broken": self.broken,
        }

    def write(self, file: Path) -> None:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(self.as_json(), indent=2) + "\n")

    def show(self, console: Console) -> None:
        console.print(_figures_table(self.figures))
        console.print(_stages_table(self.figures))
        console.print(_ratios_table(self.ratios, self.ratio_spreads))
        console.print(_targets_table(self.targets))
        for line in [*self.doubled, *self.lost][:_WRONG_SHOWN]:
            console.print(f"✗ {line}", markup=False)
        for word, n in self.apart.items():
            console.print(f"{n} orders were not sent but decided: {word}")
        if self.broken is not None:
            console.print(f"✗ broken off: {self.broken}", markup=False)
        console.print(
            f"{self.orders} orders, doubled: {len(self.doubled)}, lost: {len(self.lost)}; "
            f"{self.machine['cores']} cores, load at the end {self.machine['load']}, "
            f"commit {self.machine['commit']}"
        )


def result_of(bench: Bench, sections: Sequence[str], broken: str | None) -> Result:
    options = bench.options
    return Result(
        machine=machine(),
        options={
            "quick": options.quick,
            "rounds": options.rounds,
            "sections": list(sections),
            "sustained_s": options.sustained_s,
            "ledger_rows": options.ledger_rows,
            "other_masters_followers": options.others,
        },
        figures=bench.figures,
        ratios=ratios_of(bench.figures),
        ratio_spreads=ratio_spreads_of(bench.figures),
        targets=targets_of(bench.figures, options),
        doubled=bench.meter.doubled,
        lost=bench.meter.lost,
        apart=bench.meter.apart,
        orders=len(bench.checked),
        broken=broken,
    )


def machine() -> dict[str, Any]:
    return {
        "cores": os.cpu_count(),
        "processor": _processor(),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "packages": {name: version(name) for name in _PACKAGES},
        "commit": _commit(),
        "load": round(os.getloadavg()[0], 2),
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


def _commit() -> str:
    def git(*words: str) -> str:
        done = subprocess.run(  # noqa: S603 (constants)
            ["git", *words],  # noqa: S607 (wherever it is)
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
        return done.stdout.strip()

    changed = " (changed)" if git("status", "--porcelain", "--untracked-files=no") else ""
    return (git("rev-parse", "--short", "HEAD") or "unknown") + changed


def _figures_table(figures: Figures) -> Table:
    table = Table(box=box.SIMPLE, pad_edge=False)
    table.add_column("Figure, ms unless named", no_wrap=True)
    for name in ("median", "min", "p25", "p75", "max", "rounds"):
        table.add_column(name, justify="right")
    for name, values in figures.samples.items():
        parts = parts_of(name)
        if parts is not None and parts[1] not in ("first", "last"):
            continue
        found = spread(values)
        cells = [f"{found[key]:.1f}" for key in ("median", "min", "p25", "p75", "max")]
        table.add_row(name, *cells, str(len(values)))
    return table


def _stages_table(figures: Figures) -> Table:
    """Show how far a signal is when, medians, one line per sender, size and broker."""
    rows: dict[tuple[str, int, int], dict[str, float]] = {}
    for name, values in figures.samples.items():
        if parts := parts_of(name):
            who, stage, n, broker_ms = parts
            rows.setdefault((who, n, broker_ms), {})[stage] = statistics.median(values)
    table = Table(box=box.SIMPLE, pad_edge=False)
    table.add_column("Median ms until", no_wrap=True)
    for stage in STAGES:
        table.add_column(stage.replace("_", "\n"), justify="right")
    for (who, n, broker_ms), stages in rows.items():
        cells = [f"{stages[stage]:.1f}" if stage in stages else "" for stage in STAGES]
        table.add_row(f"{who}, {n} orders, {broker_ms} ms", *cells)
    return table


def _ratios_table(ratios: Mapping[str, float], spreads: Mapping[str, tuple[float, float]]) -> Table:
    table = Table(box=box.SIMPLE, pad_edge=False)
    table.add_column("Ratio of medians", no_wrap=True)
    table.add_column("", justify="right")
    table.add_column("round by round", justify="right")
    for name, value in ratios.items():
        least, greatest = spreads.get(name, (None, None))
        between = "" if least is None else f"{least:.2f} … {greatest:.2f}"
        table.add_row(name, f"{value:.2f}", between)
    return table


def _targets_table(targets: Sequence[Target]) -> Table:
    table = Table(box=box.SIMPLE, pad_edge=False)
    table.add_column("Target", no_wrap=True)
    for name in ("wanted", "measured", ""):
        table.add_column(name, justify="right")
    for target in targets:
        table.add_row(target.name, target.wanted, target.measured, target.verdict)
    return table
