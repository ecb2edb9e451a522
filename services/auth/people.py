"""How people sign in and out, how they are added, and how they get API keys."""

import contextlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

import structlog

from libs.runtime.identity import API_KEY_PREFIX, token_hash
from libs.runtime.problems import Problem
from services.auth import throttle
from services.auth.actors import Actor
from services.auth.passwords import Passwords, TooManyAtOnce, problem_with
from services.auth.repository_people import User

log = structlog.get_logger()


class People(Protocol):
    async def user_by_email(self, email: str) -> User | None: ...

    async def create_user(
        self,
        *,
        email: str,
        display_name: str,
        password_hash: str,
        roles: Sequence[str],
        actor: Actor,
    ) -> str | None: ...

    async def replace_hash(self, user_id: str, old: str, new: str) -> None: ...

    async def failures(
        self, subjects: Sequence[str]
    ) -> tuple[list[throttle.Failures], datetime]: ...

    async def count_failure(self, subject: str) -> None: ...

    async def forget_failures(self, subject: str) -> None: ...

    async def knows_address(self, email: str, address: str) -> bool: ...

    async def open_sign_in(
        self, user_id: str, token_hash: str, *, replaces: str | None, user_agent: str, actor: Actor
    ) -> None: ...

    async def close_sign_in(self, token_hash: str, actor: Actor) -> None: ...

    async def add_key(
        self, user_id: str, key_hash: str, label: str, actor: Actor
    ) -> str | None: ...

    async def revoke_key(self, user_id: str, key_id: str, actor: Actor) -> bool: ...

    async def keys(self, user_id: str) -> list[dict[str, Any]]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One try to sign in. `cookie` is the token that came along, if any."""

    email: str
    password: str
    address: str
    cookie: str | None = None
    user_agent: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PeopleFlow:
    people: People
    passwords: Passwords

    async def sign_in(self, attempt: Attempt) -> tuple[User, str]:
        """Check a password and open a sign-in; return the person and the cookie's token.

        Unknown, disabled and mistaken take the same path, the same work and the same answer.
        """
        email = attempt.email.strip().lower()
        account = throttle.account_subject(email)
        address = throttle.address_subject(attempt.address)
        await self._wait_turn(email, attempt.address, [account, address])
        # Counted before the check, so that tries sent all at once are counted too.
        await self.people.count_failure(account)
        user = await self.people.user_by_email(email)
        stored = user.password_hash if user and not user.disabled else None
        if not await self._matches(stored, attempt.password) or user is None:
            # Counted after it: many people behind one address may sign in at once.
            await self.people.count_failure(address)
            log.warning("sign_in_refused", address=attempt.address)
            raise Problem(
                401, "SIGN_IN_REFUSED", "E-mail or password is wrong. Check both and try again."
            )
        await self.people.forget_failures(account)
        await self._renew_hash(user, attempt.password)
        token = secrets.token_urlsafe(32)
        await self.people.open_sign_in(
            user.user_id,
            token_hash(token),
            replaces=token_hash(attempt.cookie) if attempt.cookie else None,
            user_agent=attempt.user_agent[:200],
            actor=Actor(user_id=user.user_id, via="password", address=attempt.address),
        )
        log.info("signed_in", user_id=user.user_id)
        return user, token

    async def sign_out(self, token: str, actor: Actor) -> None:
        await self.people.close_sign_in(token_hash(token), actor)

    async def create_user(
        self, *, email: str, password: str, display_name: str, roles: Sequence[str], actor: Actor
    ) -> str:
        """Add a person. Raise `Problem` for a weak password or an address that is taken."""
        if wrong := problem_with(password):
            raise Problem(422, "INVALID", f"password: {wrong}", field="password")
        user_id = await self.people.create_user(
            email=email.strip().lower(),
            display_name=display_name,
            password_hash=await self.passwords.hash(password),
            roles=sorted(set(roles)),
            actor=actor,
        )
        if user_id is None:
            message = "email: there is a person with this address already: use another one"
            raise Problem(409, "EMAIL_TAKEN", message, field="email")
        log.info("user_created", user_id=user_id)
        return user_id

    async def create_key(self, user_id: str, label: str, actor: Actor) -> tuple[str, str]:
        """Make an API key; return its id and the key, which is never shown again."""
        key = API_KEY_PREFIX + secrets.token_urlsafe(32)
        key_id = await self.people.add_key(user_id, token_hash(key), label, actor)
        if key_id is None:
            raise Problem(409, "TOO_MANY_KEYS", "You have 20 API keys: delete one you do not use.")
        return key_id, key

    async def keys(self, user_id: str) -> list[dict[str, Any]]:
        return await self.people.keys(user_id)

    async def revoke_key(self, user_id: str, key_id: str, actor: Actor) -> None:
        if not await self.people.revoke_key(user_id, key_id, actor):
            raise Problem(404, "NOT_FOUND", "There is no such API key of yours.")

    async def _wait_turn(self, email: str, address: str, subjects: Sequence[str]) -> None:
        known, now = await self.people.failures(subjects)
        # Somebody guessing elsewhere must not lock the owner out of their usual place.
        if throttle.wait_s(known, now) and await self.people.knows_address(email, address):
            known = [item for item in known if item.subject == subjects[1]]
        if wait_s := throttle.wait_s(known, now):
            raise Problem(
                429,
                "TOO_MANY_TRIES",
                f"Too many tries. Wait {wait_s} s, then try again.",
                data={"retry_after_s": wait_s},
            )

    async def _matches(self, password_hash: str | None, password: str) -> bool:
        try:
            return await self.passwords.matches(password_hash, password)
        except TooManyAtOnce as error:
            message = "Very many people are signing in just now. Try again in a moment."
            raise Problem(503, "UNAVAILABLE", message) from error

    async def _renew_hash(self, user: User, password: str) -> None:
        if not self.passwords.outdated(user.password_hash):
            return
        # In a crowd this waits for another day.
        with contextlib.suppress(TooManyAtOnce):
            new = await self.passwords.hash(password)
            await self.people.replace_hash(user.user_id, user.password_hash, new)
