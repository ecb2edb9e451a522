"""How long a sign-in must wait after failures, by account and by address. Pure."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

# Failures older than this count no more.
MEMORY = timedelta(hours=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """`free` failures cost nothing; then each doubles the wait, up to `wait_s_max`."""

    free: int
    wait_s_max: int


ACCOUNT = Patience(free=5, wait_s_max=60)
ADDRESS = Patience(free=20, wait_s_max=300)


@dataclass(frozen=True, slots=True, kw_only=True)
class Failures:
    """What is known of one subject."""

    subject: str
    failures: int
    last_failed_at: datetime


def account_subject(email: str) -> str:
    # A hash: people type passwords into the wrong field.
    return "account:" + hashlib.sha256(email.encode()).hexdigest()


def address_subject(address: str) -> str:
    return "address:" + address


def wait_s(known: Iterable[Failures], now: datetime) -> int:
    """Whole seconds until the next try is looked at; 0 for at once."""
    return max((_wait_s(item, now) for item in known), default=0)


def _wait_s(item: Failures, now: datetime) -> int:
    if now - item.last_failed_at > MEMORY:
        return 0
    patience = ACCOUNT if item.subject.startswith("account:") else ADDRESS
    over = item.failures - patience.free
    if over < 0:
        return 0
    # The exponent is bounded before the power: a count may be large.
    pause_s = min(2 ** min(over, 16), patience.wait_s_max)
    left_s = pause_s - (now - item.last_failed_at).total_seconds()
    return max(0, -int(-left_s // 1))
