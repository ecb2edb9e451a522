"""What a person and a script get to see of the day: a table, and `run/demo.json`."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from deploy.local.demo.judge import LedgerOrder, Verdict, counts, percentile

_COLUMNS = ("planned", "sent", "filled", "rejected", "cancelled", "skipped", "working")


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """The whole day, judged. `acts` names what begins with a signal."""

    masters: int
    followers: int
    titles: Mapping[str, str]
    acts: Mapping[str, str]
    ledger: Sequence[LedgerOrder]
    sent_tags: frozenset[str]
    verdict: Verdict
    changed: Mapping[str, int]
    first_ms: Sequence[float]
    last_ms: Sequence[float]
    killed_executor: str | None
    sizing_modes: Sequence[str]
    copy_modes: Sequence[str]
    kafka_level: int | None
    topics: int
    broker: str

    def as_json(self) -> dict[str, Any]:
        """Name the figures as the design's list of result files does."""
        return {
            "masters": self.masters,
            "followers": self.followers,
            "signals": len(self.titles),
            "orders": dict(self.verdict.orders),
            "by_broker": {self.broker: dict(self.verdict.orders)},
            "doubled": len(self.verdict.doubled),
            "lost": len(self.verdict.lost),
            "ledger_equals_journal": not self.verdict.differences,
            "killed_executor": self.killed_executor,
            "latency_ms": {
                "accepted_to_first": _percentiles(self.first_ms),
                "accepted_to_last": _percentiles(self.last_ms),
            },
            "sizing_modes": list(self.sizing_modes),
            "copy_modes": list(self.copy_modes),
            "skip_reasons": dict(self.verdict.skip_reasons),
            "kafka": {"version": self.kafka_level, "topics": self.topics},
        }

    def write(self, file: Path) -> None:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(self.as_json(), indent=2) + "\n")

    def show(self, console: Console) -> None:
        table = Table(box=box.SIMPLE, pad_edge=False)
        table.add_column("Signal", no_wrap=True)
        for name in (*_COLUMNS, "changed"):
            table.add_column(name, justify="right")
        for signal_id, title in self.titles.items():
            if signal_id in self.acts:
                table.add_section()
                table.add_row(f"[bold]{self.acts[signal_id]}[/]")
            orders = [order for order in self.ledger if order.signal_id == signal_id]
            figures = counts(orders, self.sent_tags)
            cells = [*(figures[name] for name in _COLUMNS), self.changed.get(signal_id, 0)]
            table.add_row(title, *(str(cell or "·") for cell in cells))
        console.print(table)
        for line in [*self.verdict.doubled, *self.verdict.lost, *self.verdict.differences][:20]:
            console.print(f"[red]✗[/] {line}")
        if self.verdict.skip_reasons:
            most = sorted(self.verdict.skip_reasons.items(), key=lambda item: -item[1])
            console.print("left out: " + ", ".join(f"{reason} {n}" for reason, n in most))
        console.print(
            f"doubled: {len(self.verdict.doubled)}, lost: {len(self.verdict.lost)}, "
            f"ledger equals journal: {'yes' if not self.verdict.differences else 'no'}, "
            f"accepted to last order: {percentile(self.last_ms, 0.5)} ms (median)"
        )


def _percentiles(values: Sequence[float]) -> dict[str, float | None]:
    return {"p50": percentile(values, 0.5), "p99": percentile(values, 0.99)}
