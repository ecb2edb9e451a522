"""The people of a run: made through the product's routes once, used by all rows."""

import asyncio
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field

from deploy.local.people import ADMIN, PASSWORD
from deploy.local.visitor import Visitor
from libs.brokers.registry import BROKERS
from libs.trading.shards import shard_of

_AT_ONCE = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """One person with a connected paper account. `pin` is a secret that must show up nowhere."""

    email: str
    role: str
    client_id: str
    pin: str = field(repr=False)
    user_id: str = ""
    account_id: str = ""
    shard: int = 0
    cookie: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Crowd:
    masters: Sequence[Member]
    followers: Sequence[Member]
    operators: Sequence[Member]
    admin_cookie: str = field(repr=False)

    @property
    def everybody(self) -> list[Member]:
        return [*self.masters, *self.followers]


async def gather_crowd(address: str, *, masters: int, followers: int, partitions: int) -> Crowd:
    """Make, sign in and connect everybody. The administrator of a demo machine is there already."""
    wanted = [_member("master", "FM", n) for n in range(1, masters + 1)]
    wanted += [_member("follower", "FF", n) for n in range(1, followers + 1)]
    wanted += [_member("operator", "FO", n) for n in (1, 2)]
    turns = asyncio.Semaphore(_AT_ONCE)
    async with Visitor(address) as admin:
        await admin.sign_in(ADMIN, PASSWORD)

        async def one(member: Member) -> Member:
            async with turns:
                return await _made(address, admin, member, partitions)

        made = await asyncio.gather(*(one(member) for member in wanted))
        return Crowd(
            masters=[member for member in made if member.role == "master"],
            followers=[member for member in made if member.role == "follower"],
            operators=[member for member in made if member.role == "operator"],
            admin_cookie=admin.cookie or "",
        )


def _member(role: str, letters: str, number: int) -> Member:
    # No PIN with a pattern: it is searched for in every log.
    return Member(
        email=f"{role}{number}@faults.local",
        role=role,
        client_id=f"{letters}{number:05d}",
        pin=f"{secrets.randbelow(9000) + 1000}",
    )


async def _made(address: str, admin: Visitor, member: Member, partitions: int) -> Member:
    body = {
        "email": member.email,
        "password": PASSWORD,
        "display_name": member.email.partition("@")[0],
        "roles": [member.role],
    }
    await admin.call("POST", "/auth/users", body, fine=409)
    async with Visitor(address) as visitor:
        await visitor.sign_in(member.email, PASSWORD)
        me = await visitor.call("GET", "/auth/me")
        account_id = "" if member.role == "operator" else await _connected(visitor, member)
        return Member(
            email=member.email,
            role=member.role,
            client_id=member.client_id,
            pin=member.pin,
            user_id=str(me["user_id"]),
            account_id=account_id,
            shard=shard_of(account_id, partitions),
            cookie=visitor.cookie or "",
        )


async def reconnect(address: str, member: Member) -> None:
    """Connect an account anew, as its owner does after its session has ended."""
    async with Visitor(address, member.cookie) as visitor:
        await _connected(visitor, member)


async def _connected(visitor: Visitor, member: Member) -> str:
    side = "trader" if member.role == "master" else "client"
    link = f"/{side}/broker/{BROKERS[0]}"
    await visitor.connect(link, {"client_id": member.client_id, "pin": member.pin})
    status = (await visitor.call("GET", f"{link}/status"))["data"]
    return str(status["account_id"])
