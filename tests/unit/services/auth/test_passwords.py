import asyncio
from typing import Literal

import pytest
from argon2 import Parameters, PasswordHasher, extract_parameters

from services.auth.passwords import LENGTH_MAX, LENGTH_MIN, Passwords, TooManyAtOnce, problem_with

QUICK = PasswordHasher(time_cost=1, memory_cost=64, parallelism=1)


async def test_a_password_matches_its_own_argon2id_hash_only() -> None:
    passwords = Passwords(QUICK)

    stored = await passwords.hash("correct horse battery")

    assert stored.startswith("$argon2id$")
    assert await passwords.matches(stored, "correct horse battery")
    assert not await passwords.matches(stored, "correct horse batteri")
    assert not await passwords.matches("not a hash", "correct horse battery")


class WatchedHasher(PasswordHasher):
    """Writes down with which parameters it was asked to work."""

    def __init__(self) -> None:
        super().__init__(time_cost=1, memory_cost=64, parallelism=1)
        self.worked: list[Parameters] = []

    def verify(self, hash: str | bytes, password: str | bytes) -> Literal[True]:  # noqa: A002  # Its name.
        self.worked.append(extract_parameters(str(hash)))
        return super().verify(hash, password)


async def test_nobody_has_no_password_but_costs_the_same() -> None:
    hasher = WatchedHasher()
    passwords = Passwords(hasher)
    stored = await passwords.hash("correct horse battery")

    assert not await passwords.matches(stored, "a wrong guess")
    assert not await passwords.matches(None, "a wrong guess")

    known, unknown = hasher.worked
    assert unknown == known


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
