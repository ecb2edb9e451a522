"""The ratios of a run, and what they should be. A target that is not met fails nothing."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tests.bench.bench import LARGEST, Options
from tests.bench.figures import Figures, first, last
from tests.bench.planning import MIXED, ROWS

COMMIT = "floor_hop_and_one_row_commit"
# The scale on which two targets are written: sequential requests take this long for a thousand.
_SEQUENTIAL_S = 6.3


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    name: str
    limit: float
    value: float | None
    unit: str = ""
    at_least: bool = False

    @property
    def met(self) -> bool | None:
        if self.value is None:
            return None
        return self.value >= self.limit if self.at_least else self.value <= self.limit

    @property
    def wanted(self) -> str:
        return f"{'≥' if self.at_least else '≤'} {self.limit:g}{self.unit}"

    @property
    def measured(self) -> str:
        return "-" if self.value is None else f"{self.value:.2f}{self.unit}"

    @property
    def verdict(self) -> str:
        return {None: "not measured", True: "met", False: "not met"}[self.met]

    def as_json(self) -> dict[str, Any]:
        value = None if self.value is None else round(self.value, 3)
        return {"name": self.name, "wanted": self.wanted, "value": value, "met": self.met}


_PRODUCT = last("product", LARGEST, 5)
# name: what is above the line, what below.
_RATIOS: Mapping[str, tuple[str, str]] = {
    "last_of_1000_to_floor": (_PRODUCT, last("floor", LARGEST, 5)),
    "last_of_100_to_floor": (last("product", 100, 5), last("floor", 100, 5)),
    "last_of_10_to_floor": (last("product", 10, 5), last("floor", 10, 5)),
    "last_of_1000_to_floor_broker_60ms": (last("product", LARGEST, 60), last("floor", LARGEST, 60)),
    "last_of_1000_to_floor_alike_table": (_PRODUCT, last("floor_alike_table", LARGEST, 5)),
    "first_to_floor": (first("product", 10, 5), COMMIT),
    "sequential_requests_to_product": (last("sequential", LARGEST, 5), _PRODUCT),
    "httpx_to_product": (last("httpx", LARGEST, 5), _PRODUCT),
    "threads_to_product": (last("threads", LARGEST, 5), _PRODUCT),
    "planning_to_rows_alone": (MIXED, ROWS),
    "two_executors_to_one": (last("two_executors", LARGEST, 5), _PRODUCT),
    "cold_to_warm": (last("cold", LARGEST, 5), _PRODUCT),
    "ledger_5m_to_empty": (last("ledger_full", LARGEST, 5), last("ledger_empty", LARGEST, 5)),
    "other_masters_followers": (
        last("with_others", LARGEST, 5),
        last("without_others", LARGEST, 5),
    ),
}


def ratios_of(figures: Figures) -> Mapping[str, float]:
    ratios = {
        name: round(ratio, 3)
        for name, (above, below) in _RATIOS.items()
        if (ratio := figures.ratio(above, below)) is not None
    }
    # These pairs are minutes apart: each beside the floor of its own minutes says whether the
    # machine changed in between.
    for name in ("ledger_5m_to_empty", "other_masters_followers"):
        pair = [side.partition("_last_of")[0] for side in _RATIOS[name]]
        above, below = (
            figures.ratio(last(who, LARGEST, 5), last(f"floor_beside_{who}", LARGEST, 5))
            for who in pair
        )
        if above is not None and below is not None:
            ratios[f"{name}_beside_floor"] = round(above / below, 3)
    return ratios


def ratio_spreads_of(figures: Figures) -> Mapping[str, tuple[float, float]]:
    """Tell least and greatest ratio, round by round, where both were measured in turns."""
    return {
        name: (round(spread[0], 3), round(spread[1], 3))
        for name, (above, below) in _RATIOS.items()
        if (spread := figures.ratio_spread(above, below)) is not None
    }


def targets_of(figures: Figures, options: Options) -> list[Target]:
    ratios = ratios_of(figures)
    return [
        Target(name="last of 1,000 to floor", limit=1.6, value=ratios.get("last_of_1000_to_floor")),
        Target(
            name="last of 1,000 to floor (aim)",
            limit=1.2,
            value=ratios.get("last_of_1000_to_floor"),
        ),
        Target(
            name="sequential requests to product",
            limit=20,
            value=ratios.get("sequential_requests_to_product"),
            at_least=True,
        ),
        Target(
            name="first of 10 to hop and one-row commit",
            limit=3,
            value=ratios.get("first_to_floor"),
        ),
        Target(
            name="CPU of planning 1,000 followers of many rules",
            limit=10,
            value=figures.median(MIXED),
            unit=" ms",
        ),
        _scaled(figures, "last of 10, scaled", 10, 15),
        _scaled(figures, "last of 100, scaled", 100, 45),
        Target(
            name=f"with {options.others:,} followers of others to without",
            limit=1.2,
            value=ratios.get("other_masters_followers"),
        ),
        Target(
            name=f"ledger of {options.ledger_rows:,} orders to empty",
            limit=1.2,
            value=ratios.get("ledger_5m_to_empty"),
        ),
    ]


def _scaled(figures: Figures, name: str, n: int, limit_ms: float) -> Target:
    """Put a time on the scale where sequential requests take 6.3 s for 1,000 orders."""
    mine = figures.median(last("product", n, 5))
    sequential = figures.median(last("sequential", LARGEST, 5))
    scaled = None if mine is None or not sequential else mine * _SEQUENTIAL_S * 1000 / sequential
    return Target(name=name, limit=limit_ms, value=scaled, unit=" ms")
