"""Passwords: argon2id hashes, and the same work for people who do not exist."""

import asyncio
import secrets
from collections.abc import Callable
from typing import TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

T = TypeVar("T")

LENGTH_MIN = 12
# Argon2 reads everything it is given; a bound keeps one request from costing more than another.
LENGTH_MAX = 256

# Each verification takes 64 MiB; more at once would only make all of them slower.
_AT_ONCE_MAX = 2
_WAITING_MAX = 100


class TooManyAtOnce(Exception):
    """More people wait for their password to be checked than can be served soon."""


class Passwords:
    """Hashes with argon2id (the library's defaults, RFC 9106 low memory), off the event loop."""

    def __init__(self, hasher: PasswordHasher | None = None) -> None:
        self._hasher = hasher or PasswordHasher()
        self._nobody = self._hasher.hash(secrets.token_urlsafe(16))
        self._turns = asyncio.Semaphore(_AT_ONCE_MAX)
        self._waiting = 0

    async def hash(self, password: str) -> str:
        """Make a hash. Raise `TooManyAtOnce`."""
        return await self._in_turn(self._hasher.hash, password)

    async def matches(self, password_hash: str | None, password: str) -> bool:
        """Compare. Without a hash (nobody has this name) do the same work and answer no.

        Raise `TooManyAtOnce`.
        """
        found = await self._in_turn(self._verify, password_hash or self._nobody, password)
        return found and password_hash is not None

    def outdated(self, password_hash: str) -> bool:
        """Say whether the hash was made with weaker parameters than today's."""
        return self._hasher.check_needs_rehash(password_hash)

    async def _in_turn(self, work: Callable[..., T], *given: str) -> T:
        if self._waiting >= _WAITING_MAX:
            raise TooManyAtOnce
        self._waiting += 1
        try:
            async with self._turns:
                return await asyncio.to_thread(work, *given)
        finally:
            self._waiting -= 1

    def _verify(self, password_hash: str, password: str) -> bool:
        try:
            return self._hasher.verify(password_hash, password)
        except (VerificationError, InvalidHashError):
            return False


def problem_with(password: str) -> str | None:
    """Say what is wrong with a new password, and the fix; None when it will do."""
    if len(password) < LENGTH_MIN:
        return f"must have at least {LENGTH_MIN} characters: make it longer"
    if len(password) > LENGTH_MAX:
        return f"must have at most {LENGTH_MAX} characters: make it shorter"
    return None


def passwords_of(environment_name: str) -> Passwords:
    """Hash with the least that OWASP asks for (19 MiB, 2 passes) on a demo machine.

    Two hundred demo people sign in there, with a password that is printed on the screen.
    """
    if environment_name == "local":
        return Passwords(PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1))
    return Passwords()
