import asyncio
import time

import pytest
from argon2 import PasswordHasher

from services.auth.passwords import LENGTH_MAX, LENGTH_MIN, Passwords, TooManyAtOnce, problem_with

QUICK = PasswordHasher(time_cost=1, memory_cost=64, parallelism=1)


async def test_a_password_matches_its_own_argon2id_hash_only() -> None:
    passwords = Passwords(QUICK)

    stored = await passwords.hash("correct horse battery")

    assert stored.startswith("$argon2id$")
    assert await passwords.matches(stored, "correct horse battery")
    assert not await passwords.matches(stored, "correct horse batteri")
    assert not await passwords.matches("not a hash", "correct horse battery")


async def test_nobody_has_no_password_but_costs_the_same() -> None:
    passwords = Passwords(PasswordHasher(time_cost=2, memory_cost=8192, parallelism=1))
    stored = await passwords.hash("correct horse battery")

    async def least_s(password_hash: str | None) -> float:
        runs = []
        for _ in range(5):
            started = time.thread_time() + time.perf_counter()
            assert not await passwords.matches(password_hash, "a wrong guess")
            runs.append(time.thread_time() + time.perf_counter() - started)
        return min(runs)

    known, unknown = await least_s(stored), await least_s(None)

    # A short cut would be a thousand times quicker; the machine's own noise is far below half.
    assert 0.5 < unknown / known < 2


async def test_hashes_of_weaker_parameters_are_found() -> None:
    weak = await Passwords(QUICK).hash("correct horse battery")

    assert Passwords().outdated(weak)
    assert not Passwords(QUICK).outdated(weak)


@pytest.mark.parametrize(
    ("length", "fine"),
    [(LENGTH_MIN - 1, False), (LENGTH_MIN, True), (LENGTH_MAX, True), (LENGTH_MAX + 1, False)],
)
def test_new_passwords_are_bounded(length: int, fine: bool) -> None:
    assert (problem_with("x" * length) is None) is fine


async def test_more_people_than_can_be_served_soon_are_turned_away() -> None:
    passwords = Passwords(QUICK)

    results = await asyncio.gather(
        *(passwords.matches(None, "a guess") for _ in range(150)), return_exceptions=True
    )

    assert results.count(False) == 100
    assert sum(isinstance(result, TooManyAtOnce) for result in results) == 50
    assert not await passwords.matches(None, "later")
