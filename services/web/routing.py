"""Which service a path belongs to. Pure; a path that is nobody's is None, and then a 404."""

from dataclasses import dataclass
from urllib.parse import unquote

AUTH, SIGNAL, EXECUTOR, STREAMING = "auth", "signal", "executor", "streaming"

PREFIXES: dict[str, str] = {
    **dict.fromkeys(("auth", "client", "trader", "notifications"), AUTH),
    **dict.fromkeys(
        ("strategies", "follows", "signals", "webhooks", "reports", "instruments"), SIGNAL
    ),
    **dict.fromkeys(
        (
            "account-limits",
            "orders",
            "positions",
            "approvals",
            "attention",
            "kill-switches",
            "preview",
            "readiness",
            "dead-letters",
            "shards",
        ),
        EXECUTOR,
    ),
    **dict.fromkeys(("market", "feeds"), STREAMING),
}
SOCKETS = frozenset({"/ws/orders", "/ws/market"})
_NEVER = frozenset({"_control", ".", ".."})


@dataclass(frozen=True, slots=True)
class Target:
    """A service; `broker` is set where only that broker's executors may answer."""

    service: str
    broker: str | None = None


def target_of(path: str) -> Target | None:
    """Find the service of a decoded path.

    A path with dot segments, an empty segment, a backslash or a second layer of encoding is
    nobody's: what the next parser would make of it is not what was looked up here.
    """
    segments = path.split("/")[1:]
    if not segments or _ambiguous(path, segments):
        return None
    if path in SOCKETS:
        return Target(STREAMING)
    if segments[:2] == ["api", "auth"] and len(segments) > 2:
        return Target(AUTH)
    if segments[0] == "broker":
        return _broker_target(segments)
    service = PREFIXES.get(segments[0])
    return Target(service) if service else None


def _ambiguous(path: str, segments: list[str]) -> bool:
    hidden = any(unquote(segment) != segment for segment in segments)
    return hidden or "\\" in path or "" in segments[:-1] or not _NEVER.isdisjoint(segments)


def _broker_target(segments: list[str]) -> Target | None:
    """`/broker/callback…` is a sign-in coming back, `/broker/{broker}/…` an executor's route."""
    if len(segments) > 1 and segments[1] == "callback":
        return Target(AUTH)
    if len(segments) > 2 and segments[2]:
        return Target(EXECUTOR, segments[1])
    return None
