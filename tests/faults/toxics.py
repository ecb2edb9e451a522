"""What may happen to a line: the toxics of the chaos proxy, and the set of those that stand."""

import asyncio
import contextlib
import random
from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Any

KINDS = (
    "latency", "jitter", "bandwidth", "slow_close", "timeout", "reset_peer", "slicer",
    "limit_data", "blackhole", "down",
)  # fmt: skip
UPSTREAM, DOWNSTREAM = "upstream", "downstream"


@dataclass(frozen=True, kw_only=True)
class Toxic:
    """One mistreatment. `stream` is upstream (towards the server), downstream or both.

    `timeout_ms` of `timeout` and `reset_peer`: when the line ends, counted from the toxic or, if
    later, from the connection; for `timeout` 0 means that it only stands still.
    """

    kind: str
    name: str = ""
    stream: str = "both"
    latency_ms: float = 0
    jitter_ms: float = 0
    rate_kib_s: float = 1
    delay_ms: float = 0
    timeout_ms: float = 0
    average_bytes: int = 64
    variation_bytes: int = 0
    delay_us: float = 0
    bytes: int = 0
    added_at: float = 0

    def __post_init__(self) -> None:
        """Refuse what cannot be; name the field and the fix."""
        if self.kind not in KINDS:
            raise ValueError(f"kind: {self.kind!r} is none of {', '.join(KINDS)}")
        if self.stream not in {UPSTREAM, DOWNSTREAM, "both"}:
            raise ValueError(f"stream: {self.stream!r} is none of upstream, downstream, both")
        for item in fields(self):
            value = getattr(self, item.name)
            if isinstance(value, int | float) and value < 0:
                raise ValueError(f"{item.name}: {value} is below 0")
        if self.rate_kib_s <= 0 or self.average_bytes <= self.variation_bytes:
            raise ValueError("rate_kib_s must be above 0, average_bytes above variation_bytes")

    def touches(self, stream: str) -> bool:
        return self.stream in {stream, "both"}


class Toxics:
    """Those that stand now, by name. Whoever waits on a line hears of every change."""

    def __init__(self, seed: int) -> None:
        """Start with none; chance (jitter, slices) repeats with the seed."""
        self.dice = random.Random(seed)  # noqa: S311 - the same run every time.
        self._by_name: dict[str, Toxic] = {}
        self._changed = asyncio.Event()

    def __iter__(self) -> Iterator[Toxic]:
        """Give those that stand now, whatever changes meanwhile."""
        return iter(list(self._by_name.values()))

    def add(self, kind: str, attributes: dict[str, Any]) -> Toxic:
        """Add one, in place of another of its name. Raise `ValueError` for what cannot be."""
        now = asyncio.get_running_loop().time()
        try:
            toxic = Toxic(**{"name": kind, **attributes, "kind": kind, "added_at": now})
        except TypeError as error:
            known = ", ".join(item.name for item in fields(Toxic))
            raise ValueError(f"{error}; there are: {known}") from error
        self._by_name[toxic.name] = toxic
        self._tell()
        return toxic

    def remove(self, name: str) -> None:
        if name not in self._by_name:
            raise ValueError(f"name: no toxic {name!r}; there are: {', '.join(self._by_name)}")
        del self._by_name[name]
        self._tell()

    def clear(self) -> None:
        self._by_name.clear()
        self._tell()

    def of(self, kind: str, stream: str) -> list[Toxic]:
        return [it for it in self._by_name.values() if it.kind == kind and it.touches(stream)]

    async def wait_for_change(self, timeout_s: float | None = None) -> None:
        """Return when the toxics change, at the latest after this time."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                await self._changed.wait()

    async def stand_still(self, stream: str, *kinds: str) -> None:
        """Wait for as long as one of these kinds holds this direction."""
        while any(self.of(kind, stream) for kind in kinds):
            await self.wait_for_change()

    def _tell(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()
