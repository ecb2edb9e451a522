"""Runs a service that can be told to die: `python -m tests.faults.armed FOLDER MODULE [--…]`.

A file in FOLDER, named after a crash point and holding n, kills the process at the n-th passing
from then on. The file is gone before the process is, so what starts again in its place lives.
Another file names records that the bus shall lose between confirming and keeping them.
"""

import json
import os
import runpy
import signal
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from libs.brokers import registry
from libs.brokers.manifest import BrokerManifest
from libs.brokers.protocol import BrokerAddresses, Egress
from libs.contracts import topics
from libs.runtime import crashpoints
from libs.runtime.bus import Publisher
from libs.runtime.crashpoints import Crashpoint
from libs.runtime.outbox import OutboxMessage
from libs.trading.accounts import Environment

TAGS_NOT_ECHOED = "--tags-not-echoed"
OVER_TLS = "--over-tls"
_LOST = "lost.json"


@dataclass(slots=True)
class Trigger:
    """Counts the passings of each point while somebody waits for one."""

    folder: Path
    passed: Counter[str] = field(default_factory=Counter)

    def __call__(self, point: Crashpoint) -> None:
        order = self.folder / point
        try:
            wanted = int(order.read_text())
        except FileNotFoundError:
            self.passed[point] = 0
            return
        self.passed[point] += 1
        if self.passed[point] >= wanted:
            order.unlink(missing_ok=True)
            os.kill(os.getpid(), signal.SIGKILL)


def arm(folder: Path, point: Crashpoint, nth: int = 1) -> None:
    """Have the process that watches this folder die at the n-th passing from now."""
    scratch = folder / f".{point}"
    scratch.write_text(str(nth))
    scratch.replace(folder / point)


def disarm(folder: Path) -> None:
    for point in Crashpoint:
        (folder / point).unlink(missing_ok=True)
    find(folder)


def lose(folder: Path, key: str, kept: Sequence[int]) -> None:
    """Have what is published under this key reach these partitions only, confirmed all the same."""
    scratch = folder / f".{_LOST}"
    scratch.write_text(json.dumps({"key": key, "kept": list(kept)}))
    scratch.replace(folder / _LOST)


def find(folder: Path) -> None:
    """Lose no more."""
    (folder / _LOST).unlink(missing_ok=True)


def main(words: Sequence[str]) -> None:
    folder, module, options = Path(words[0]), words[1], words[2:]
    if TAGS_NOT_ECHOED in options:
        _forget_tags()
    if OVER_TLS in options:
        _speak_tls()
    crashpoints.armed = Trigger(folder)
    _lose_what_is_told(folder)
    sys.argv = [module]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


def _forget_tags() -> None:
    """Make every broker one whose order book does not show our tags."""
    known = registry.manifest

    def manifest(name: str) -> BrokerManifest:
        return replace(known(name), tags_echoed=False)

    registry.manifest = manifest  # type: ignore[assignment]  # No longer cached; it need not be.


def _lose_what_is_told(folder: Path) -> None:
    publish = Publisher.publish_many

    async def publish_many(self: Publisher, messages: Sequence[OutboxMessage]) -> None:
        await publish(self, what_is_left(folder, messages))

    Publisher.publish_many = publish_many  # type: ignore[method-assign]  # In this process only.


def what_is_left(folder: Path, messages: Sequence[OutboxMessage]) -> Sequence[OutboxMessage]:
    """Take the partitions away that are to be lost; every message keeps its place."""
    try:
        told = json.loads((folder / _LOST).read_text())
    except FileNotFoundError:
        return messages
    return [
        replace(message, partitions=tuple(p for p in message.partitions if p in told["kept"]))
        if message.key == told["key"] and message.topic == topics.SIGNALS
        else message
        for message in messages
    ]


def _speak_tls() -> None:
    """Reach the simulator as a live broker is reached: paper addresses never are TLS by setting."""
    of = BrokerManifest.addresses

    def addresses(
        self: BrokerManifest,
        environment: Environment,
        simulator_url: str | None,
        egress: Mapping[str, Egress] | None = None,
    ) -> BrokerAddresses:
        found = of(self, environment, simulator_url, egress)
        urls = {role: url.replace("http:", "https:", 1) for role, url in found.urls.items()}
        return replace(found, urls=urls)

    BrokerManifest.addresses = addresses  # type: ignore[method-assign]  # In this process only.


if __name__ == "__main__":
    main(sys.argv[1:])
