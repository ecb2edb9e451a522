"""What keeps a request here, on a real ledger: market, clock, breaker, broken limits."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from libs.brokers.errors import NotSent, NoWayOut, RateLimited, SessionExpired
from libs.trading.accounts import Environment
from libs.trading.market import Market
from libs.trading.orders import Side
from libs.trading.signals import SignalAction
from services.executor.alarms import AlarmName
from services.executor.market import MarketGate, PaperMarket
from services.executor.watching import Watch, Watched
from tests.integration.executor.conftest import a_world, running
from tests.integration.executor.world import World
from tests.servers import Database

SUNDAY = datetime(2026, 11, 22, 6, 30, tzinfo=UTC)


class DatabaseClockOnSunday:
    """A clock that says it is Sunday noon in India, and is otherwise the one it was."""

    def __init__(self, clock: Any) -> None:
        self._clock = clock

    def now(self) -> datetime:
        return SUNDAY

    def __getattr__(self, name: str) -> Any:
        return getattr(self._clock, name)


async def test_nothing_is_entered_when_the_market_is_closed(world: World) -> None:
    await world.a_follower()
    departure = world.replica.work.flow.departure
    departure.market = MarketGate(market=Market(), paper=PaperMarket.HOURS)
    departure.clock = DatabaseClockOnSunday(departure.clock)  # type: ignore[assignment]
    async with running(world.replica):
        await world.emit_and_hear()
        await world.until("SKIPPED/CLOSED")

    assert world.broker.arrivals == []


async def test_a_wrong_clock_sends_no_entries_until_it_is_right_again(world: World) -> None:
    await world.a_follower()
    clock = world.replica.work.flow.departure.clock
    async with running(world.replica):
        clock.wall = lambda: datetime.now(UTC) + timedelta(seconds=3)
        await world.emit_and_hear()
        await world.until("HELD/CLOCK")
        assert world.broker.arrivals == []
        clock.wall = lambda: datetime.now(UTC)
        await world.until("ACKED")


async def test_an_account_without_a_way_out_does_not_make_its_broker_count_as_away(
    world: World,
) -> None:
    departure = world.replica.work.flow.departure

    for _ in range(50):
        departure.failed(Environment.LIVE, NoWayOut("no egress"), late=False)
    assert departure.away() == {}

    for _ in range(50):
        departure.failed(Environment.LIVE, NotSent("no connection"), late=False)
    assert list(departure.away()) == [Environment.LIVE]


async def test_a_broker_that_is_away_gets_one_probe_and_then_everything(
    database: Database,
) -> None:
    async with a_world(database, breaker_failures_max=2, breaker_cooldown_s=0.3) as world:
        for _ in range(6):
            follower = await world.a_follower()
            world.broker.fails[follower.account_id] = NotSent("connection refused")
        world.broker.acts_then_fails = False
        departure = world.replica.work.flow.departure
        async with running(world.replica):
            await world.emit_and_hear()
            await world.until(*["HELD/BREAKER"] * 6)
            assert departure.away()
            tried = len(world.broker.arrivals)
            await asyncio.sleep(0.7)
            # One knock at a time while it is away, not six a second.
            assert len(world.broker.arrivals) - tried <= 3
            world.broker.fails.clear()
            await world.until(*["ACKED"] * 6)
            assert not departure.away()


async def test_an_account_refused_twice_for_its_rate_gets_no_entries_that_day_but_exits(
    database: Database,
) -> None:
    async with a_world(database) as world:
        follower = await world.a_follower()
        async with running(world.replica):
            await world.emit_and_hear()
            await world.until("ACKED")
            world.broker.fill()
            await world.read_book()
            world.broker.fails[follower.account_id] = RateLimited("slow", retry_after_s=1.6)
            world.broker.acts_then_fails = False
            await world.emit_and_hear()
            await world.until("FILLED", "SKIPPED/RATE_DAY_BLOCK")
            world.broker.fails.clear()
            await world.emit_and_hear()
            await world.until("FILLED", "SKIPPED/RATE_DAY_BLOCK", "SKIPPED/RATE_DAY_BLOCK")
            await world.emit_and_hear(action=SignalAction.EXIT, side=Side.SELL)
            await world.until("FILLED", "SKIPPED/RATE_DAY_BLOCK", "SKIPPED/RATE_DAY_BLOCK", "ACKED")
        alarms = await world.owner.fetch("SELECT name, subject FROM executor.alarms")
        assert [tuple(row) for row in alarms] == [
            (AlarmName.RATE_DAY_BLOCK_NEAR, f"account:{follower.account_id}")
        ]
        # Another process of the same day knows it too.
        breaches = replace(world.replica.work.flow.departure.breaches, _today={})
        await breaches.load([follower.account_id])
        assert breaches.closes_entries(follower.account_id, lambda: datetime.now(UTC))


async def test_entries_beyond_what_may_wait_are_left_out(database: Database) -> None:
    async with a_world(
        database, waiting_max=3, in_flight_max=1, planning_chunk=1, claim_chunk=1
    ) as world:
        for _ in range(12):
            await world.a_follower()
        world.broker.slow_s = 0.3
        async with running(world.replica):
            await world.emit_and_hear(lives_s=60)
            await asyncio.sleep(1.5)
            states = await world.states()
        left_out = states.count("SKIPPED/OVERLOAD")
        assert left_out > 0
        waiting = sum(state.startswith(("PLANNED", "HELD")) for state in states)
        assert waiting <= 3
        assert len(world.broker.arrivals) + left_out <= 12
        assert world.replica.work.flow.shed.stands() is not None


async def test_an_alarm_stands_as_long_as_its_reason(world: World) -> None:
    flow = world.replica.work.flow
    flow.shed.for_s = 0.2
    watch = Watch(
        flow.departure.clock.alarms,
        [Watched.one(AlarmName.BACKLOG_SHED, "broker:b", flow.shed.stands)],
        world.replica.repository.open_alarms,
    )
    flow.shed.note(entries="7")

    await watch.look()
    opened = await world.owner.fetch("SELECT figures, cleared_at FROM executor.alarms")
    await asyncio.sleep(0.3)
    await watch.look()
    cleared = await world.owner.fetch("SELECT cleared_at FROM executor.alarms")

    assert [(row["figures"], row["cleared_at"]) for row in opened] == [({"entries": "7"}, None)]
    assert [row["cleared_at"] is not None for row in cleared] == [True]


async def test_an_alarm_that_a_dead_process_left_is_cleared_but_not_that_of_another(
    world: World,
) -> None:
    alarms = world.replica.work.flow.departure.clock.alarms
    await alarms.open(AlarmName.KAFKA_AWAY, "broker:mine")
    await alarms.open(AlarmName.KAFKA_AWAY, "broker:other")
    watched = [Watched.one(AlarmName.KAFKA_AWAY, "broker:mine", lambda: None)]

    await Watch(alarms, watched, world.replica.repository.open_alarms).look()

    assert await world.replica.repository.open_alarms() == [(AlarmName.KAFKA_AWAY, "broker:other")]


async def test_an_alarm_that_another_replica_raised_is_left_to_it(world: World) -> None:
    alarms = world.replica.work.flow.departure.clock.alarms
    watched = [Watched.one(AlarmName.SIGNALS_REFILLED, "broker:b", lambda: None)]
    watch = Watch(alarms, watched, world.replica.repository.open_alarms)
    await watch.look()

    await alarms.open(AlarmName.SIGNALS_REFILLED, "broker:b")
    for _ in range(25):
        await watch.look()

    assert len(await world.replica.repository.open_alarms()) == 1


async def test_a_refused_session_is_an_alarm_until_a_newer_one_comes(world: World) -> None:
    follower = await world.a_follower()
    world.broker.fails[follower.account_id] = SessionExpired("log in again")
    world.broker.acts_then_fails = False
    async with running(world.replica):
        await world.emit_and_hear(lives_s=1)
        await world.until("SKIPPED/SESSION")
        refused = world.replica.work.flow.sessions.refused()

    assert list(refused) == [f"account:{follower.account_id}"]
