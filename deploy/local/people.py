"""The demo people: made through the product's routes, connected by the simulator's login.

Only for LOCKSTEP_ENV=local; a second time finds them and changes nothing.
"""

import asyncio
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

from deploy.local.stack import Stack
from deploy.local.visitor import Visitor
from libs.brokers.registry import BROKERS

PASSWORD = "lockstep-demo"  # noqa: S105 (a demo sign-in, printed on purpose)
ADMIN = "admin@lockstep.local"
FOLLOWERS = 25
_PIN = "1234"
_AT_ONCE = 4
_STRATEGIES = ("Index momentum", "Large caps")


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
    """Everybody who can sign in, and what the masters' strategies are called inside."""

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
            strategies = [await self._master(person, admin) for person in masters]
            others = [p for p in people if p not in masters and p.email != ADMIN]
            await asyncio.gather(
                *(self._other(person, admin, strategies, len(others)) for person in others)
            )
        _write(self._file, self._cookies)
        return Crowd(people=people, strategies=strategies, cookies=self._cookies)

    async def _master(self, person: Person, admin: Visitor) -> str:
        async with await self._at_work(person, admin) as visitor:
            await self._connected(visitor, person)
            name = _STRATEGIES[person.number - 1]
            found = await visitor.call("GET", "/strategies?limit=200")
            for strategy in found["strategies"]:
                if strategy["name"] == name:
                    return str(strategy["strategy_id"])
            body = {
                "name": name,
                "description": "A strategy of the demo.",
                "equity": "1000000",
            }
            return str((await visitor.call("POST", "/strategies", body))["strategy_id"])

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
        """Follow the first master, and every second one the second master too."""
        found = await visitor.call("GET", "/follows")
        followed = {follow["strategy_id"] for follow in found["follows"]}
        wanted = strategies if person.number % 2 == 0 else strategies[:1]
        for strategy_id in wanted:
            if strategy_id not in followed:
                await visitor.call("POST", "/follows", _follow(strategy_id, account_id, person))

    def _visitor(self, email: str) -> Visitor:
        return Visitor(self._stack.address, self._cookies.get(email))

    def _keep(self, email: str, visitor: Visitor) -> None:
        if visitor.cookie:
            self._cookies[email] = visitor.cookie


# The last of every twenty-five followers have rules of their own, so that a newcomer sees what
# they do: all five ways to size, and a limit each.
_RULES: dict[int, dict[str, Any]] = {
    10: {"sizing": {"mode": "FIXED_QUANTITY", "value": "5"}},
    11: {"sizing": {"mode": "FIXED_VALUE", "value": "20000"}},
    12: {"sizing": {"mode": "FUNDS_SHARE", "value": "5"}},
    13: {"sizing": {"mode": "EQUITY_PROPORTIONAL", "value": "1"}},
    14: {"sizing": {"mode": "MULTIPLIER", "value": "0.01"}},
    15: {"limits": {"order_value_max": "1000"}},
    16: {"limits": {"order_quantity_max": 3}},
    17: {"limits": {"orders_per_day_max": 1}},
    18: {"limits": {"instruments_denied": ["NSE:TCS", "NSE:RELIANCE"]}},
    19: {"limits": {"segments_denied": ["EQUITY"]}},
    20: {"limits": {"products_allowed": ["DELIVERY"]}},
    21: {"limits": {"trading_from_ist": "00:00", "trading_until_ist": "00:01"}},
    22: {"limits": {"price_distance_bps_max": 1}},
    23: {"limits": {"open_positions_max": 1}},
    24: {"limits": {"loss_per_day_max": "1000"}},
}


def _follow(strategy_id: str, account_id: str, person: Person) -> dict[str, Any]:
    number = person.number % FOLLOWERS or FOLLOWERS
    # 0.25, 0.5, … 6.25: everybody's own share.
    size = {"mode": "MULTIPLIER", "value": str(Decimal(number) / 4)}
    follow = {"strategy_id": strategy_id, "account_id": account_id, "sizing": size}
    return {**follow, **_RULES.get(number, {})}


def _read(file: Path) -> dict[str, str]:
    cookies: dict[str, str] = json.loads(file.read_text()) if file.exists() else {}
    return cookies


def _write(file: Path, cookies: Mapping[str, str]) -> None:
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as out:
        json.dump(dict(cookies), out)
