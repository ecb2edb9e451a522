"""The table of rows: each is a function that does one fault to the world."""

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, replace

from tests.faults.scene import Scene

Act = Callable[[Scene], Awaitable[None]]


class NotPossible(Exception):
    """The fault is not allowed on this machine; the message says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Whole:
    """The length or size that the fault table names, where a row usually takes less (`--full`)."""

    size: str
    within_s: float
    followers: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """`within_s` bounds one run, the waiting for its end included. `size` is told in the report."""

    number: int
    name: str
    act: Act
    followers: int
    within_s: float
    size: str = ""
    whole: Whole | None = None

    def at_full(self) -> "Row":
        """Take the table's own size; most rows have it already."""
        if self.whole is None:
            return self
        return replace(
            self,
            size=self.whole.size,
            followers=self.whole.followers or self.followers,
            within_s=self.whole.within_s,
        )


ROWS: dict[int, Row] = {}


def row(
    number: int,
    name: str,
    *,
    followers: int = 4,
    within_s: float = 120,
    size: str = "",
    whole: Whole | None = None,
) -> Callable[[Act], Act]:
    """Enter a function as a row of the table."""

    def enter(act: Act) -> Act:
        if number in ROWS:
            raise ValueError(f"row {number} is there twice")
        ROWS[number] = Row(
            number=number,
            name=name,
            act=act,
            followers=followers,
            within_s=within_s,
            size=size,
            whole=whole,
        )
        return act

    return enter


def chosen(words: str) -> list[Row]:
    """Read `1,7,26-31`; nothing means every row. Raise `ValueError` for a number without row."""
    numbers: list[int] = []
    for word in filter(None, words.split(",")):
        first, _, last = word.partition("-")
        numbers += range(int(first), int(last or first) + 1)
    if missing := sorted(set(numbers) - ROWS.keys()):
        raise ValueError(f"there is no row {missing}; there are {sorted(ROWS)}")
    return [ROWS[number] for number in _each_once(numbers or sorted(ROWS))]


def _each_once(numbers: Iterable[int]) -> list[int]:
    return list(dict.fromkeys(numbers))
