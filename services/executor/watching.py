"""Alarms that stand as long as something is so: looked at every second, told when it changes."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from services.executor.alarms import AlarmName, Alarms

Figures = Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """`stands` gives the figures of an alarm while its reason lasts, else None."""

    name: AlarmName
    subject: str
    stands: Callable[[], Figures | None]


@dataclass(slots=True)
class Watch:
    """The alarms of one replica. What an earlier process of this name left open is cleared."""

    alarms: Alarms
    watched: list[Watched]
    _standing: dict[tuple[AlarmName, str], bool] = field(default_factory=dict)

    async def look(self) -> None:
        """Open what began to stand and clear what ended; what was not written is tried again."""
        for item in self.watched:
            key = (item.name, item.subject)
            figures = item.stands()
            stands = figures is not None
            if self._standing.get(key) is stands:
                continue
            if stands:
                written = await self.alarms.open(item.name, item.subject, **(figures or {}))
            else:
                written = await self.alarms.clear(item.name, item.subject)
            if written is not None:
                self._standing[key] = stands


@dataclass(slots=True)
class Recently:
    """Something that happened a moment ago, as an alarm that ends by itself."""

    for_s: float = 20.0
    clock: Callable[[], float] = time.monotonic
    _at: float | None = None
    _figures: Figures = field(default_factory=dict)

    def note(self, **figures: str) -> None:
        self._at, self._figures = self.clock(), figures

    def stands(self) -> Figures | None:
        """Give the figures for `for_s` seconds after the last time."""
        if self._at is None or self.clock() - self._at > self.for_s:
            return None
        return self._figures
