"""A world whose follower holds a position that an exit fails to close, and who taps."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx
from fastapi import FastAPI

from libs.contracts import codec, topics
from libs.runtime.identity import Role
from libs.trading.events import Notice, NoticeKind
from libs.trading.orders import Side
from libs.trading.signals import SignalAction
from tests.factories import some_terms
from tests.integration.executor.broker import a_trade
from tests.integration.executor.conftest import BUSY, a_world, running
from tests.integration.executor.people import AuthByKey, as_, calling
from tests.integration.executor.world import World
from tests.servers import Database


@dataclass(frozen=True, slots=True)
class Room:
    """A running world whose first follower holds a position and calls the routes."""

    world: World
    auth: AuthByKey
    app: FastAPI

    @property
    def account_id(self) -> str:
        return self.world.follows[0].account_id

    async def exit(self, *states: str, **changes: Any) -> dict[str, Any]:
        """Let the master leave; return the follower's exit once the orders stand so."""
        await self.world.emit_and_hear(action=SignalAction.EXIT, side=Side.SELL, **changes)
        await self.world.until(*states)
        return await self.newest()

    async def newest(self) -> dict[str, Any]:
        rows = await self.world.orders()
        return dict(max(rows, key=lambda row: str(row["order_id"])))

    async def tap(self, order: dict[str, Any], role: Role = Role.FOLLOWER) -> httpx.Response:
        async with as_(role, self.auth, self.app) as client:
            return await client.post(f"/orders/{order['order_id']}/retry")

    async def alarms(self) -> list[str]:
        """Name the orders whose exit failed and is open still."""
        rows = await self.world.owner.fetch(
            "SELECT subject FROM executor.alarms WHERE name = 'EXIT_FAILED' AND cleared_at IS NULL"
        )
        return sorted(row["subject"].removeprefix("order:") for row in rows)

    async def until_alarms(self, *orders: dict[str, Any]) -> None:
        wanted = sorted(str(order["order_id"]) for order in orders)
        async with asyncio.timeout(8):
            while await self.alarms() != wanted:  # noqa: ASYNC110  # The database decides.
                await asyncio.sleep(0.02)

    async def told(self, kind: NoticeKind) -> list[Notice]:
        rows = await self.world.owner.fetch("SELECT payload FROM executor.outbox ORDER BY id")
        heard = [codec.decode(topics.NOTICES, row["payload"]) for row in rows]
        return [
            notice
            for notice in heard
            if isinstance(notice, Notice) and (notice.code, notice.kind) == ("EXIT_FAILED", kind)
        ]

    async def fill(self, *states: str) -> None:
        self.world.broker.fill()
        await self.world.read_book()
        await self.world.until(*states)

    async def sell_by_hand(self, quantity: int) -> None:
        """Let the account's owner sell, and the day's trades tell so."""
        sold = a_trade("by-hand", quantity, side=Side.SELL)
        self.world.broker.trades.append((self.account_id, sold))
        await self.world.replica.reconciliation.drift.look(self.account_id)

    def arrivals(self) -> list[int]:
        return [i.terms.quantity for i in self.world.broker.arrivals if i.side is Side.SELL]


@asynccontextmanager
async def a_room(database: Database, followers: int = 1, **terms: Any) -> AsyncIterator[Room]:
    async with a_world(database, BUSY) as world:
        for _ in range(followers):
            await world.a_follower()
        async with running(world.replica), calling(world.owner) as (auth, app):
            app.state.replica = world.replica
            auth.user_ids[Role.FOLLOWER] = world.follows[0].user_id
            room = Room(world, auth, app)
            await world.emit_and_hear(terms=some_terms(), **terms)
            await world.until(*["ACKED"] * followers)
            await room.fill(*["FILLED"] * followers)
            yield room


async def refused_exit(room: Room) -> dict[str, Any]:
    room.world.broker.refusals[room.account_id] = "RMS: blocked"
    failed = await room.exit("FILLED", "REJECTED/-99")
    room.world.broker.refusals.clear()
    # What was refused stands in no book.
    del room.world.broker.book[failed["client_order_id"]]
    return failed
