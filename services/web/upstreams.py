"""Where each service can be reached, and which of several replicas answered last."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from time import monotonic
from urllib.parse import urlsplit

from services.web.routing import AUTH, EXECUTOR, SIGNAL, STREAMING, Target
from services.web.settings import WebSettings

REMEMBER_S = 5.0


@dataclass(slots=True)
class Replicas:
    """Addresses of one service in their order; the one that answered is asked first for 5 s."""

    urls: Sequence[str]
    clock: Callable[[], float] = monotonic
    _live: str | None = None
    _live_until: float = 0.0

    def in_order(self) -> list[str]:
        if self._live is None or self.clock() > self._live_until:
            return list(self.urls)
        return [self._live, *(url for url in self.urls if url != self._live)]

    def answered(self, url: str) -> None:
        self._live, self._live_until = url, self.clock() + REMEMBER_S

    def refused(self, url: str) -> None:
        if self._live == url:
            self._live = None


@dataclass(slots=True)
class Upstreams:
    """Replicas of every service; executors by broker, and all of them for shared routes."""

    services: Mapping[str, Replicas]
    executors: Mapping[str, Replicas]
    _any_executor: Replicas = field(init=False)

    def __post_init__(self) -> None:
        self._any_executor = Replicas(_interleaved([r.urls for r in self.executors.values()]))

    def of(self, target: Target) -> Replicas | None:
        """Find the replicas of a target, or None for a broker without executors."""
        if target.broker is not None:
            return self.executors.get(target.broker)
        if target.service == EXECUTOR:
            return self._any_executor
        return self.services[target.service]


def open_upstreams(settings: WebSettings) -> Upstreams:
    """Read the addresses. Raise `ValueError` with the one that is not an address."""
    services = {
        AUTH: settings.auth_url,
        SIGNAL: settings.signal_url,
        STREAMING: settings.streaming_url,
    }
    executors = settings.executors()
    for url in (*services.values(), *(url for urls in executors.values() for url in urls)):
        if not _is_address(url):
            raise ValueError(f"{url!r} is not an upstream address, write http://127.0.0.1:8101")
    return Upstreams(
        {name: Replicas([url]) for name, url in services.items()},
        {broker: Replicas(urls) for broker, urls in executors.items()},
    )


def _is_address(url: str) -> bool:
    parts = urlsplit(url)
    return parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.path in {"", "/"}


def _interleaved(lists: list[Sequence[str]]) -> list[str]:
    """First replicas of every broker before second ones: those are likeliest to be up."""
    longest = max((len(urls) for urls in lists), default=0)
    return [urls[n] for n in range(longest) for urls in lists if n < len(urls)]
