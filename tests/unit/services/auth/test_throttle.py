from datetime import timedelta

import pytest

from services.auth.throttle import (
    ACCOUNT,
    ADDRESS,
    MEMORY,
    Failures,
    account_subject,
    address_subject,
    wait_s,
)
from tests.factories import NOON


def after(failures: int, seconds: float = 0, subject: str = "account:x") -> int:
    known = Failures(subject=subject, failures=failures, last_failed_at=NOON)
    return wait_s([known], NOON + timedelta(seconds=seconds))


def test_the_first_failures_cost_nothing() -> None:
    assert wait_s([], NOON) == 0
    assert [after(n) for n in range(ACCOUNT.free)] == [0] * ACCOUNT.free


def test_each_further_failure_doubles_the_wait_up_to_a_minute() -> None:
    waits = [after(ACCOUNT.free + n) for n in range(8)]

    assert waits == [1, 2, 4, 8, 16, 32, 60, 60]
    assert after(10**9) == ACCOUNT.wait_s_max


def test_an_address_has_more_patience_and_a_longer_wait() -> None:
    assert after(ADDRESS.free - 1, subject="address:192.0.2.1") == 0
    assert after(ADDRESS.free, subject="address:192.0.2.1") == 1
    assert after(1000, subject="address:192.0.2.1") == ADDRESS.wait_s_max


@pytest.mark.parametrize(("seconds", "left"), [(0, 60), (0.5, 60), (59.5, 1), (60, 0), (61, 0)])
def test_the_wait_runs_from_the_last_failure_and_is_never_rounded_down(
    seconds: float, left: int
) -> None:
    assert after(100, seconds) == left


def test_failures_are_forgotten_after_an_hour() -> None:
    assert after(100, MEMORY.total_seconds() + 1) == 0


def test_the_longest_wait_counts() -> None:
    account = Failures(subject="account:x", failures=6, last_failed_at=NOON)
    address = Failures(subject="address:y", failures=25, last_failed_at=NOON)

    assert wait_s([account, address], NOON) == 32


def test_what_was_typed_as_an_address_is_not_kept() -> None:
    assert "hunter2" not in account_subject("hunter2")
    assert address_subject("192.0.2.1") == "address:192.0.2.1"
