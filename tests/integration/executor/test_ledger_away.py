"""Postgres leaves at the worst moments: nothing is forgotten and nobody gets twice."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from libs.trading.orders import Side
from libs.trading.signals import SignalAction
from services.executor.rows import Claim, Due
from tests.integration.executor.conftest import a_world, running
from tests.integration.executor.world import World
from tests.servers import PARTITIONS, Database


class LedgerAwayOnce:
    """Refuses the first new order, like a Postgres that restarts."""

    def __init__(self, ledger: Any) -> None:
        self._ledger = ledger
        self._away = True

    def births(self, *order: Any) -> Any:
        if self._away:
            self._away = False
            raise ConnectionError("Postgres restarts")
        return self._ledger.births(*order)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._ledger, name)


async def test_late_follow_misses_nothing_when_its_batch_is_planned_a_second_time(
    world: World,
) -> None:
    await world.a_follower()
    async with running(world.replica):
        await world.emit_and_hear()
        late = await world.a_follower()
        await world.emit_and_hear()
        work = world.replica.work
        work.flow = replace(work.flow, ledger=LedgerAwayOnce(work.flow.ledger))
        await world.hear(late)
        await world.until("ACKED", "ACKED", "ACKED")


class LedgerAwayAtTheSecondChunk:
    """Writes the first chunk of one signal, then is gone; later it writes everything."""

    def __init__(self, ledger: Any) -> None:
        self._ledger = ledger
        self._away = True

    async def births(self, *order: Any) -> Any:
        async for born in self._ledger.births(*order):
            yield born
            if self._away:
                self._away = False
                raise ConnectionError("Postgres restarts")

    def __getattr__(self, name: str) -> Any:
        return getattr(self._ledger, name)


async def test_signal_cut_between_two_chunks_is_planned_to_its_end_and_nobody_twice(
    database: Database,
) -> None:
    async with a_world(database, planning_chunk=2) as world:
        for _ in range(5):
            await world.a_follower()
        async with running(world.replica):
            work = world.replica.work
            work.flow = replace(work.flow, ledger=LedgerAwayAtTheSecondChunk(work.flow.ledger))
            await world.emit_and_hear()
            await world.until(*["ACKED"] * 5)

        accounts = [intent.account_id for intent in world.broker.arrivals]
        assert sorted(accounts) == sorted(follow.account_id for follow in world.follows)
        assert await world.owner.fetchval("SELECT count(*) FROM executor.inbox") == PARTITIONS


class LedgerThatLosesEntries:
    """Lets no entry leave at its birth and fails its claim later; exits it leaves alone."""

    def __init__(self, ledger: Any) -> None:
        self._ledger = ledger

    def births(self, signal: Any, orders: Any, shards: Any, ready: Any) -> Any:
        return self._ledger.births(signal, orders, shards, lambda order: False)

    def page(self, signal: Any, ready: Any) -> Any:
        return self._ledger.page(signal, lambda order: False)

    async def claim(self, due: Sequence[Due]) -> list[Claim]:
        if not due[0].leaving.urgent:
            raise ConnectionError("Postgres restarts")
        claims: list[Claim] = await self._ledger.claim(due)
        return claims

    def __getattr__(self, name: str) -> Any:
        return getattr(self._ledger, name)


async def test_exit_that_was_claimed_is_sent_though_the_claim_of_entries_fails(
    world: World,
) -> None:
    await world.a_follower()
    async with running(world.replica):
        await world.emit_and_hear()
        await world.until("ACKED")
        world.broker.fill()
        await world.read_book()
        work = world.replica.work
        work.flow = replace(work.flow, ledger=LedgerThatLosesEntries(work.flow.ledger))
        entry, way_out = (
            await world.emit(),
            await world.emit(action=SignalAction.EXIT, side=Side.SELL),
        )
        await world.hear(entry, way_out)
        await world.until("FILLED", "SKIPPED/MASTER_CANCELLED", "ACKED")
