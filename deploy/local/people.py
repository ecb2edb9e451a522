"""The demo people: made through the product's routes, connected by the simulator's login.

Only for LOCKSTEP_ENV=local; a second time finds them and changes nothing.
"""

import asyncio
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from deploy.local.follows import FOLLOWERS, STRATEGIES, account_limits_of, follows_of
from deploy.local.stack import Stack
from deploy.local.visitor import Visitor
from libs.brokers.registry import BROKERS

PASSWORD = "lockstep-demo"  # noqa: S105 (a demo sign-in, printed on purpose)
ADMIN = "admin@lockstep.local"
_PIN = "1234"
_AT_ONCE = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """`client_id` is the account at the broker; operators have none."""

    email: str
    name: str
    role: str
    client_id: str | None = None
    number: int = 0

    @property
    def side(self) -> str:
        return "trader" if self.role == "master" else "client"


@dataclass(frozen=True, slots=True, kw_only=True)
class Crowd:
    """Everybody who can sign in, and what each of `STRATEGIES` is called inside."""

    people: Sequence[Person]
    strategies: Sequence[str] = ()
    cookies: Mapping[str, str] = field(default_factory=dict, repr=False)

    def rows(self) -> list[tuple[str, str]]:
        """Tell a person how to sign in."""
        by_role: dict[str, list[str]] = {}
        for person in self.people:
            by_role.setdefault(person.role, []).append(person.email)
        rows = [
            (role, emails[0] if len(emails) == 1 else f"{emails[0]} … {emails[-1]}")
            for role, emails in by_role.items()
        ]
        return [*rows, ("password", PASSWORD)]


def demo_people(followers: int = FOLLOWERS) -> list[Person]:
    masters = [
        Person(
            email=f"master{n}@lockstep.local",
            name=f"Master {n}",
            role="master",
            client_id=f"MS{n:05d}",
            number=n,
        )
        for n in (1, 2)
    ]
    return [
        *masters,
        *(
            Person(
                email=f"follower{n}@lockstep.local",
                name=f"Follower {n}",
                role="follower",
                client_id=f"XB{n:05d}",
                number=n,
            )
            for n in range(1, followers + 1)
        ),
        Person(email="operator@lockstep.local", name="Operator", role="operator"),
        Person(email=ADMIN, name="Demo administrator", role="admin"),
    ]


def settle(stack: Stack, followers: int = FOLLOWERS) -> Crowd:
    """Make whoever is missing, connect whoever is not connected, let followers follow."""
    step = "demo people"
    stack.screen.begin(step, "signing in")
    crowd = asyncio.run(_Settling(stack, step).all(demo_people(followers)))
    stack.screen.end(step, f"{len(crowd.people)} people, all connected")
    return crowd


class _Settling:
    def __init__(self, stack: Stack, step: str) -> None:
        self._stack = stack
        self._step = step
        self._broker = BROKERS[0]
        self._file = stack.layout.state / "people.json"
        self._cookies = _read(self._file)
        self._turns = asyncio.Semaphore(_AT_ONCE)
        self._done = 0

    async def all(self, people: Sequence[Person]) -> Crowd:
        async with self._visitor(ADMIN) as admin:
            if not await admin.signed_in():
                await admin.sign_in(ADMIN, PASSWORD)
            self._keep(ADMIN, admin)
            masters = [person for person in people if person.role == "master"]
            made = [await self._master(person, admin) for person in masters]
            ids = {name: strategy_id for one in made for name, strategy_id in one.items()}
            strategies = [ids[strategy.name] for strategy in STRATEGIES]
            others = [p for p in people if p not in masters and p.email != ADMIN]
            await asyncio.gather(
                *(self._other(person, admin, strategies, len(others)) for person in others)
            )
        _write(self._file, self._cookies)
        return Crowd(people=people, strategies=strategies, cookies=self._cookies)

    async def _master(self, person: Person, admin: Visitor) -> dict[str, str]:
        """Return the ids of this master's strategies by their names."""
        async with await self._at_work(person, admin) as visitor:
            await self._connected(visitor, person)
            found = await visitor.call("GET", "/strategies?limit=200")
            ids = {one["name"]: str(one["strategy_id"]) for one in found["strategies"]}
            for strategy in STRATEGIES:
                if strategy.master != person.number or strategy.name in ids:
                    continue
                body = {
                    "name": strategy.name,
                    "description": "A strategy of the demo.",
                    "copy_mode": strategy.copy_mode,
                    "equity": strategy.equity,
                }
                made = await visitor.call("POST", "/strategies", body)
                ids[strategy.name] = str(made["strategy_id"])
        return {one.name: ids[one.name] for one in STRATEGIES if one.master == person.number}

    async def _other(
        self, person: Person, admin: Visitor, strategies: Sequence[str], total: int
    ) -> None:
        async with self._turns, await self._at_work(person, admin) as visitor:
            if person.role == "follower":
                account_id = await self._connected(visitor, person)
                await self._following(visitor, person, account_id, strategies)
        self._done += 1
        self._stack.screen.note(self._step, f"{self._done} of {total}")

    async def _at_work(self, person: Person, admin: Visitor) -> Visitor:
        """Return this person signed in; made by the administrator the first time."""
        visitor = self._visitor(person.email)
        if not await visitor.signed_in():
            body = {
                "email": person.email,
                "password": PASSWORD,
                "display_name": person.name,
                "roles": [person.role],
            }
            await admin.call("POST", "/auth/users", body, fine=409)
            await visitor.sign_in(person.email, PASSWORD)
            self._keep(person.email, visitor)
        return visitor

    async def _connected(self, visitor: Visitor, person: Person) -> str:
        link = f"/{person.side}/broker/{self._broker}"
        status = (await visitor.call("GET", f"{link}/status"))["data"]
        if not status["is_connected"]:
            await visitor.connect(link, {"client_id": person.client_id or "", "pin": _PIN})
            status = (await visitor.call("GET", f"{link}/status"))["data"]
        return str(status["account_id"])

    async def _following(
        self, visitor: Visitor, person: Person, account_id: str, strategies: Sequence[str]
    ) -> None:
        found = await visitor.call("GET", "/follows")
        followed = {follow["strategy_id"] for follow in found["follows"]}
        for place, rules in follows_of(person.number).items():
            if strategies[place] not in followed:
                follow = {"strategy_id": strategies[place], "account_id": account_id, **rules}
                await visitor.call("POST", "/follows", follow)
        limits = account_limits_of(person.number)
        if limits is not None:
            # Limits that somebody set since stay.
            body = {"limits": limits, "version": 0}
            await visitor.call("PUT", f"/account-limits/{account_id}", body, fine=409)

    def _visitor(self, email: str) -> Visitor:
        return Visitor(self._stack.address, self._cookies.get(email))

    def _keep(self, email: str, visitor: Visitor) -> None:
        if visitor.cookie:
            self._cookies[email] = visitor.cookie


def _read(file: Path) -> dict[str, str]:
    cookies: dict[str, str] = json.loads(file.read_text()) if file.exists() else {}
    return cookies


def _write(file: Path, cookies: Mapping[str, str]) -> None:
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as out:
        json.dump(dict(cookies), out)
