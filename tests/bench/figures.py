"""Figures of one run: every round kept, medians and spread told, ratios taken within the run."""

import re
import statistics
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

# On the way of a signal, in their order; some are the ledger's word, by its clock.
STAGES = (
    *("answered", "heard", "durable", "planned_first", "planned_last"),
    *("committed_first", "committed_last", "first", "last", "replied"),
)
_NAME = re.compile(rf"(.+?)_({'|'.join(STAGES)})_of_(\d+)_broker_(\d+)ms")


@dataclass(slots=True)
class Figures:
    """Samples by name; a name ends in its unit."""

    samples: defaultdict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    facts: dict[str, Any] = field(default_factory=dict)

    def add(self, name: str, value: float) -> None:
        self.samples[name].append(value)

    def median(self, name: str) -> float | None:
        values = self.samples.get(name)
        return statistics.median(values) if values else None

    def ratio(self, above: str, below: str) -> float | None:
        over, under = self.median(above), self.median(below)
        return over / under if over is not None and under else None

    def ratio_spread(self, above: str, below: str) -> tuple[float, float] | None:
        """Tell the least and the greatest ratio of two figures of the same rounds."""
        over, under = self.samples.get(above, []), self.samples.get(below, [])
        if not over or len(over) != len(under):
            return None
        pairs = [one / other for one, other in zip(over, under, strict=True) if other]
        return (min(pairs), max(pairs)) if pairs else None

    def as_json(self) -> dict[str, Any]:
        return {name: spread(values) for name, values in self.samples.items()}


def spread(values: Sequence[float]) -> dict[str, Any]:
    ordered = sorted(values)
    return {
        "median": round(statistics.median(ordered), 3),
        "min": round(ordered[0], 3),
        "max": round(ordered[-1], 3),
        "p25": round(_at(ordered, 0.25), 3),
        "p75": round(_at(ordered, 0.75), 3),
        "rounds": [round(value, 3) for value in values],
    }


def _at(ordered: Sequence[float], share: float) -> float:
    place = share * (len(ordered) - 1)
    below = int(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (place - below)


def parts_of(name: str) -> tuple[str, str, int, int] | None:
    """Take the name of a stage apart: who, stage, how many orders, the broker's milliseconds."""
    match = _NAME.fullmatch(name)
    return (match[1], match[2], int(match[3]), int(match[4])) if match else None


def last(who: str, n: int, broker_ms: int) -> str:
    """Name the time until the last of n orders reached the broker."""
    return f"{who}_last_of_{n}_broker_{broker_ms}ms"


def first(who: str, n: int, broker_ms: int) -> str:
    return f"{who}_first_of_{n}_broker_{broker_ms}ms"
