"""What is left out when more waits than can be served: entries first, then modifications. Pure."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """How many of each kind wait. `ways_out` are exits and cancels: they are never left out."""

    entries: int
    modifications: int
    ways_out: int

    @property
    def total(self) -> int:
        return self.entries + self.modifications + self.ways_out


@dataclass(frozen=True, slots=True, kw_only=True)
class Surplus:
    """How many to leave out, the newest first: the oldest are the next to be served."""

    entries: int
    modifications: int

    def __bool__(self) -> bool:
        return bool(self.entries or self.modifications)


def surplus(waiting: Waiting, waiting_max: int) -> Surplus:
    """Find what must go so that no more than `waiting_max` wait; ways out may stay beyond it."""
    over = max(0, waiting.total - waiting_max)
    entries = min(waiting.entries, over)
    return Surplus(entries=entries, modifications=min(waiting.modifications, over - entries))
