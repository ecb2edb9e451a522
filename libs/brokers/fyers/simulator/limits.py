"""FYERS's rate rules, per account, by sliding windows.

Order writes: 10 a second. Everything else: 10 a second. Both together: 200 a minute, 100,000 a
day. More than three minutes of a day with a refused 201st request block the account until
midnight in India (FYERS API v3 docs, rate limits; how the windows combine is our choice).
"""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import datetime, time
from typing import Any

from libs.brokers.fyers.simulator.replies import Refused
from libs.trading.calendar import next_time_in_india, trading_day

_MINUTE_NS = 60_000_000_000
_SECOND_NS = 1_000_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    enabled: bool = True
    orders_per_second: int = 10
    others_per_second: int = 10
    requests_per_minute: int = 200
    requests_per_day: int = 100_000
    minute_breaches_per_day: int = 3


@dataclass(slots=True)
class Window:
    """The instants of what was let through, in the last `span_ns`."""

    span_ns: int
    instants: deque[int] = field(default_factory=deque)

    def wait_ns(self, now_ns: int, most: int) -> int:
        """Tell how long until one more fits, 0 when it fits now."""
        while self.instants and self.instants[0] <= now_ns - self.span_ns:
            self.instants.popleft()
        if len(self.instants) < most:
            return 0
        if most == 0:
            return self.span_ns
        return self.instants[len(self.instants) - most] + self.span_ns - now_ns


@dataclass(slots=True)
class _Usage:
    day: object
    orders: Window = field(default_factory=lambda: Window(_SECOND_NS))
    others: Window = field(default_factory=lambda: Window(_SECOND_NS))
    minute: Window = field(default_factory=lambda: Window(_MINUTE_NS))
    requests: int = 0
    breached_minutes: set[int] = field(default_factory=set)


class Limits:
    """Counts every account's requests and refuses what is too much."""

    def __init__(self, rules: Rules) -> None:
        """Start counting from nothing."""
        self.rules = rules
        self._usage: dict[str, _Usage] = {}

    def check(self, client_id: str, *, is_order: bool, at: datetime, now_ns: int) -> None:
        """Count one request. Raise `Refused` (-429) with the time to wait when it is too much."""
        rules = self.rules
        if not rules.enabled:
            return
        usage = self._usage_of(client_id, at)
        if len(usage.breached_minutes) > rules.minute_breaches_per_day:
            raise _too_much(at, "blocked for the rest of the day", None)
        if usage.requests >= rules.requests_per_day:
            raise _too_much(at, "request limit reached", None)
        minute_wait = usage.minute.wait_ns(now_ns, rules.requests_per_minute)
        if minute_wait:
            usage.breached_minutes.add(now_ns // _MINUTE_NS)
        second = usage.orders if is_order else usage.others
        most = rules.orders_per_second if is_order else rules.others_per_second
        wait_ns = max(minute_wait, second.wait_ns(now_ns, most))
        if wait_ns:
            raise _too_much(at, "request limit reached", wait_ns)
        second.instants.append(now_ns)
        usage.minute.instants.append(now_ns)
        usage.requests += 1

    def change(self, changes: Mapping[str, Any]) -> None:
        """Replace some rules. Raise `ValueError` for one that does not exist or cannot be."""
        known = {item.name for item in fields(Rules)}
        for name, value in changes.items():
            if name not in known:
                raise ValueError(f"no limit {name!r}; there are: {', '.join(sorted(known))}")
            if isinstance(value, bool) != (name == "enabled") or value < 0:
                raise ValueError(f"{name}: {value!r} cannot be")
        self.rules = replace(self.rules, **changes)
        self.forget()

    def forget(self) -> None:
        self._usage.clear()

    def _usage_of(self, client_id: str, at: datetime) -> _Usage:
        today = trading_day(at)
        usage = self._usage.get(client_id)
        if usage is None or usage.day != today:
            usage = self._usage[client_id] = _Usage(today)
        return usage


def _too_much(at: datetime, message: str, wait_ns: int | None) -> Refused:
    if wait_ns is None:
        midnight = next_time_in_india(at, time(0))
        wait_ns = int((midnight - at).total_seconds() * _SECOND_NS)
    return Refused(-429, message, wait_ms=max(1, -(-wait_ns // 1_000_000)))
