"""I9: how soon the orders of those whom a fault spared reach the broker. Reported, never judged.

A timing moves with the machine: the same followers trade in peace first, and both are told. Pure.
"""

from collections.abc import Iterable, Sequence, Set
from dataclasses import dataclass, field
from math import ceil
from typing import Any

from tests.faults.case import Arrival, Ours


@dataclass(slots=True)
class Isolation:
    """From acceptance to the broker's journal, in milliseconds, over all runs of a row.

    `planned` counts the orders of those spared: one that never arrived is in no timing.
    """

    calm_ms: list[float] = field(default_factory=list)
    others_ms: list[float] = field(default_factory=list)
    planned: int = 0

    def add(self, other: "Isolation") -> None:
        self.calm_ms += other.calm_ms
        self.others_ms += other.others_ms
        self.planned += other.planned

    @property
    def change_percent(self) -> float | None:
        """The promise is less than 10; None when nobody was spared or nothing arrived."""
        if not self.calm_ms or not self.others_ms:
            return None
        return round((p99(self.others_ms) / p99(self.calm_ms) - 1) * 100, 1)

    def as_json(self) -> dict[str, Any]:
        return {
            "calm_orders": len(self.calm_ms),
            "calm_p99_ms": _rounded(self.calm_ms),
            "others_orders": self.planned,
            "others_arrived": len(self.others_ms),
            "others_p99_ms": _rounded(self.others_ms),
            "change_percent": self.change_percent,
        }

    def words(self) -> str:
        """Say it in a cell of the table."""
        if not self.calm_ms:
            return ""
        calm = f"{p99(self.calm_ms):.0f}"
        if not self.planned:
            return f"{calm} → nobody spared"
        missing = self.planned - len(self.others_ms)
        then = f"{p99(self.others_ms):.0f}" if self.others_ms else "none arrived"
        return f"{calm} → {then}" + (f", {missing} never" if missing and self.others_ms else "")


def times_of(
    orders: Iterable[Ours], arrivals: Iterable[Arrival], accounts: Set[str]
) -> tuple[list[float], int]:
    """Measure the entries of these accounts to their first arrival; count those planned, too."""
    first: dict[str, Arrival] = {}
    for arrival in sorted(arrivals, key=lambda one: one.n):
        if arrival.operation == "place" and arrival.tag:
            first.setdefault(arrival.tag, arrival)
    planned = [o for o in orders if o.account_id in accounts and o.action == "PLACE"]
    took_ms = [
        (first[order.tag].at - order.accepted_at).total_seconds() * 1000
        for order in planned
        if order.tag in first
    ]
    return took_ms, len(planned)


def p99(values: Sequence[float]) -> float:
    """Pick by nearest rank: of fewer than a hundred it is the slowest."""
    return sorted(values)[ceil(len(values) * 0.99) - 1]


def _rounded(values: Sequence[float]) -> float | None:
    return round(p99(values), 1) if values else None
