"""The end of a day and what keeps it honest: seal, drift, chain of hashes."""

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, time
from typing import Any

import asyncpg
import pytest

from libs.brokers.errors import OutcomeUnknown
from libs.trading.calendar import trading_day
from libs.trading.orders import OrderStatus, Side
from services.executor.history_chain import verify_chain
from tests.integration.executor.broker import a_trade
from tests.integration.executor.conftest import BUSY, a_world, running
from tests.integration.executor.world import World
from tests.servers import PARTITIONS, Database

TODAY_OVER: dict[str, Any] = {"seal_at_ist": "00:00", "seal_patience_s": 0, "seal_check_s": 0.2}


@pytest.fixture
async def evening(database: Database) -> AsyncIterator[World]:
    """Give a world whose day may be sealed at once."""
    async with a_world(database, BUSY, **TODAY_OVER) as world:
        yield world


async def until_sealed(world: World) -> list[asyncpg.Record]:
    """Wait until every shard of today is sealed."""
    for _ in range(600):
        rows = await world.owner.fetch(
            "SELECT * FROM executor.day_seals WHERE day = $1 ORDER BY shard",
            trading_day(datetime.now(UTC)),
        )
        if len(rows) == PARTITIONS:
            return list(rows)
        await asyncio.sleep(0.02)
    raise AssertionError(f"{len(rows)} of {PARTITIONS} shards are sealed, {await world.states()}")


def total(seals: list[asyncpg.Record], figure: str) -> int:
    return sum(seal["figures"][figure] for seal in seals)


async def drifted(world: World, *, cleared: bool) -> asyncpg.Record:
    """Wait for the alarm of a drifted position, or for its end."""
    for _ in range(400):
        [*told] = await world.owner.fetch(
            "SELECT * FROM executor.alarms WHERE name = 'POSITION_DRIFT'"
        )
        if told and (told[0]["cleared_at"] is not None) == cleared:
            return told[0]
        await asyncio.sleep(0.02)
    raise AssertionError(f"the alarm is {'not cleared' if told else 'not there'}")


async def placed(world: World, *, fill: bool) -> None:
    """Place one order while the day is open, and fill it; from then on the day is over."""
    await world.a_follower()
    world.replica.reconciliation.sealing.seal_at = time(23, 59, 59)
    async with running(world.replica):
        await world.emit_and_hear()
        await world.until("ACKED")
        if fill:
            world.broker.fill()
            await world.read_book()
            await world.until("FILLED")
    world.replica.reconciliation.sealing.seal_at = time()


async def test_a_day_that_agrees_is_sealed_once_with_the_head_of_the_chain(
    evening: World,
) -> None:
    await placed(evening, fill=True)
    async with running(evening.replica):
        seals = await until_sealed(evening)
        await asyncio.sleep(0.5)

    assert {seal["day"] for seal in seals} == {trading_day(datetime.now(UTC))}
    assert (total(seals, "orders"), total(seals, "attention"), total(seals, "drifted")) == (1, 0, 0)
    [order] = await evening.orders()
    mine = next(seal for seal in seals if seal["shard"] == order["shard"])
    head = await evening.owner.fetchrow(
        "SELECT n, hash FROM executor.history_links WHERE shard = $1 ORDER BY n DESC LIMIT 1",
        order["shard"],
    )
    assert head is not None
    assert (mine["link_n"], mine["link_hash"]) == (head["n"], head["hash"])


async def test_an_order_the_broker_let_lapse_lapses(evening: World) -> None:
    await placed(evening, fill=False)
    [tag] = evening.broker.book
    evening.broker.book[tag] = replace(evening.broker.book[tag], status=OrderStatus.LAPSED)
    async with running(evening.replica):
        seals = await until_sealed(evening)

    assert await evening.states() == ["LAPSED"]
    assert total(seals, "attention") == 0


async def test_an_order_still_open_goes_to_a_person(evening: World) -> None:
    await placed(evening, fill=False)
    async with running(evening.replica):
        seals = await until_sealed(evening)

    assert await evening.states() == ["NEEDS_ATTENTION/STILL_OPEN"]
    assert total(seals, "attention") == 1


async def test_fills_that_the_trade_book_lacks_go_to_a_person(evening: World) -> None:
    await placed(evening, fill=True)
    evening.broker.trades.clear()
    async with running(evening.replica):
        seals = await until_sealed(evening)

    assert await evening.states() == ["NEEDS_ATTENTION/DAY_DIFFERENCE"]
    assert (total(seals, "attention"), total(seals, "drifted")) == (1, 1)


async def test_a_shard_waits_for_a_book_it_cannot_read(database: Database) -> None:
    async with a_world(database, BUSY, **{**TODAY_OVER, "seal_patience_s": 86_400}) as world:
        await placed(world, fill=False)
        world.broker.unreadable = OutcomeUnknown("down for the night")
        async with running(world.replica):
            await asyncio.sleep(1)
            [order] = await world.orders()
            sealed = await world.owner.fetchval(
                "SELECT count(*) FROM executor.day_seals WHERE shard = $1 AND day = $2",
                order["shard"],
                trading_day(datetime.now(UTC)),
            )

    assert (order["state"], sealed) == ("ACKED", 0)


async def test_the_seal_ends_the_watch_over_orders_not_placed(evening: World) -> None:
    follower = await evening.a_follower()
    evening.broker.fails[follower.account_id] = OutcomeUnknown("the line broke")
    evening.broker.acts_then_fails = False
    evening.replica.reconciliation.sealing.seal_at = time(23, 59, 59)
    async with running(evening.replica):
        await evening.emit_and_hear()
        await evening.until("NOT_PLACED")
        evening.replica.reconciliation.sealing.seal_at = time()
        await until_sealed(evening)

    assert await evening.owner.fetchval(
        "SELECT bool_and(ended_at IS NOT NULL) FROM executor.watched_orders"
    )


async def test_drift_is_told_with_both_figures_until_they_agree(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.executor.drift._LOOK_AGAIN_S", 0.05)
    async with a_world(database, BUSY, position_check_s=0.1) as world:
        follower = await world.a_follower()
        async with running(world.replica):
            await world.emit_and_hear()
            await world.until("ACKED")
            world.broker.fill()
            await world.read_book()
            await world.until("FILLED")
            # The owner's own trading is no drift.
            world.broker.trades.append((follower.account_id, a_trade("OWN", 3, side=Side.SELL)))
            await asyncio.sleep(0.6)
            assert await world.owner.fetchval("SELECT count(*) FROM executor.alarms") == 0

            world.broker.carried["NSE:SBIN"] = -4
            told = await drifted(world, cleared=False)
            del world.broker.carried["NSE:SBIN"]
            await drifted(world, cleared=True)

    assert told["subject"] == f"account:{follower.account_id}"
    figures = told["figures"]
    assert (figures["instrument"], figures["ledger"], figures["broker"]) == ("NSE:SBIN", "10", "6")


@pytest.fixture
async def chained(database: Database) -> AsyncIterator[World]:
    """Give a world with two orders' history in several links."""
    async with a_world(database, chain_every_s=60) as world:
        await world.a_follower()
        async with running(world.replica):
            for _ in range(2):
                await world.emit_and_hear()
                await world.until(*["ACKED"] * world.seq)
                await world.replica.reconciliation.chain.extend()
        yield world


async def test_every_transition_is_in_the_chain_once(chained: World) -> None:
    found = await verify_chain(chained.owner)

    history = await chained.owner.fetchval("SELECT count(*) FROM executor.order_history")
    assert (found.links, found.rows, found.broken) == (2, history, [])


@pytest.mark.parametrize(
    ("harm", "n"),
    [
        ("UPDATE executor.order_history SET message = 'x' WHERE {second}", 2),
        ("UPDATE executor.order_history SET filled_quantity = 1 WHERE NOT {second}", 1),
        ("DELETE FROM executor.order_history WHERE {second} AND state = 'ACKED'", 2),
        ("UPDATE executor.history_links SET hash = 'x' WHERE n = 1", 1),
        ("DELETE FROM executor.history_links WHERE n = 1", 2),
    ],
)
async def test_the_link_that_was_harmed_is_named(chained: World, harm: str, n: int) -> None:
    [_, second] = await chained.orders()
    await chained.owner.execute(harm.format(second=f"(order_id = '{second['order_id']}')"))

    broken = (await verify_chain(chained.owner)).broken
    assert broken[0].n == n
    assert {(link.broker, link.shard) for link in broken} == {("fyers", second["shard"])}


async def test_a_chain_cut_off_behind_a_seal_is_noticed(chained: World) -> None:
    [order, _] = await chained.orders()
    async with running(chained.replica):
        day = trading_day(datetime.now(UTC))
        chained.broker.fill()
        sealing = chained.replica.reconciliation.sealing
        while not await sealing.seal_shard(order["shard"], day):
            pass
    await chained.owner.execute(
        "DELETE FROM executor.history_links WHERE n = (SELECT max(n) FROM executor.history_links)"
    )

    broken = (await verify_chain(chained.owner)).broken
    assert any(f"the seal of {day}" in cut.why for cut in broken)


async def test_a_late_commit_is_not_left_out_of_the_chain(chained: World) -> None:
    chain = chained.replica.reconciliation.chain
    async with running(chained.replica):
        async with chained.owner.acquire() as slow, slow.transaction():
            # Takes its transaction id now and commits after the others.
            await slow.execute("SELECT pg_current_xact_id()")
            await chained.emit_and_hear()
            await chained.until("ACKED", "ACKED", "ACKED")
            assert await chain.extend() == 0
        assert await chain.extend() == 1

    assert (await verify_chain(chained.owner)).broken == []


async def test_nobody_extends_a_chain_whose_shard_they_lost(chained: World) -> None:
    await chained.owner.execute("UPDATE executor.shard_leases SET owner = 'another', epoch = 99")
    await chained.owner.execute(
        """INSERT INTO executor.order_history (order_id, version, broker, shard, state, order_type,
            quantity) SELECT order_id, 9, broker, shard, 'OPEN', order_type, quantity
        FROM executor.orders"""
    )
    assert await chained.replica.reconciliation.chain.extend() == 0


async def test_nobody_seals_a_shard_they_lost(chained: World) -> None:
    [order, _] = await chained.orders()
    quiet, sealing = (order["shard"] + 1) % PARTITIONS, chained.replica.reconciliation.sealing
    day = trading_day(datetime.now(UTC))
    await chained.owner.execute("UPDATE executor.shard_leases SET owner = 'another', epoch = 99")

    assert await sealing.seal_shard(quiet, day) is False
    assert not await chained.owner.fetchval(
        "SELECT count(*) FROM executor.day_seals WHERE day = $1", day
    )


def verify(dsn: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "services.executor.history_chain", "--verify"],
        env={**os.environ, "POSTGRES_DSN": dsn},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


async def test_the_command_names_the_broken_link(chained: World, database: Database) -> None:
    dsn = database.dsn("executor")
    whole = await asyncio.to_thread(verify, dsn)
    assert (whole.returncode, whole.stdout[0]) == (0, "✓"), whole.stderr

    await chained.owner.execute("UPDATE executor.order_history SET reason = 'x'")
    harmed = await asyncio.to_thread(verify, dsn)
    assert harmed.returncode == 1
    assert "link 1: " in harmed.stdout
