"""Alarms that stand as long as something is so: looked at every second, told when it changes."""

import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field

from services.executor.alarms import AlarmName, Alarms

Figures = Mapping[str, str]

_READ_EVERY_LOOKS = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """`standing` names the subjects of an alarm that stands now, each with its figures.

    `judged_here` says whether this replica may clear a subject: others serve other accounts. A
    `shared` subject is cleared by whoever opened it, and at a start, in case its opener died.
    """

    name: AlarmName
    standing: Callable[[], Mapping[str, Figures]]
    judged_here: Callable[[str], bool]
    shared: bool = False

    @classmethod
    def one(cls, name: AlarmName, subject: str, stands: Callable[[], Figures | None]) -> "Watched":
        """Watch one subject: `stands` gives the figures while the reason lasts, else None."""

        def standing() -> Mapping[str, Figures]:
            figures = stands()
            return {} if figures is None else {subject: figures}

        return cls(
            name=name,
            standing=standing,
            judged_here=lambda other: other == subject,
            shared=True,
        )


@dataclass(slots=True)
class Watch:
    """The alarms of one replica. `open_now` reads what stands in the ledger, by name and subject.

    It is read again now and then: an earlier process may have left an alarm, another replica may
    have cleared one that stands here.
    """

    alarms: Alarms
    watched: list[Watched]
    open_now: Callable[[], Awaitable[Iterable[tuple[str, str]]]]
    _known: set[tuple[str, str]] = field(default_factory=set)
    _opened: set[tuple[str, str]] = field(default_factory=set)
    _looks: int = 0

    async def look(self) -> None:
        """Open what began to stand and clear what ended; what was not written is tried again."""
        is_start = self._looks == 0
        if self._looks % _READ_EVERY_LOOKS == 0:
            self._known = set(await self.open_now())
        self._looks += 1
        for item in self.watched:
            now = item.standing()
            self._opened |= {(item.name, subject) for subject in now}
            known = {subject for name, subject in self._known if name == item.name}
            for subject in now.keys() - known:
                if await self.alarms.open(item.name, subject, **now[subject]) is not None:
                    self._known.add((item.name, subject))
            for subject in known - now.keys():
                if self._may_clear(item, subject, is_start=is_start):
                    await self._clear(item.name, subject)

    def _may_clear(self, item: Watched, subject: str, *, is_start: bool) -> bool:
        mine = is_start or (item.name, subject) in self._opened
        return item.judged_here(subject) and (mine or not item.shared)

    async def _clear(self, name: AlarmName, subject: str) -> None:
        if await self.alarms.clear(name, subject) is not None:
            self._known.discard((name, subject))
            self._opened.discard((name, subject))


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
