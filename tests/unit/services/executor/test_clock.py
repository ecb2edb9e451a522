from datetime import UTC, datetime, timedelta

import pytest

from services.executor.clock import DatabaseClock

NOON = datetime(2026, 11, 25, 6, 30, tzinfo=UTC)


class Bells:
    """Alarms that only say which of them stand."""

    def __init__(self) -> None:
        self.standing: set[tuple[str, str]] = set()
        self.calls = 0

    async def open(
        self, name: str, subject: str, *, user_id: str | None = None, **figures: str
    ) -> bool:
        assert user_id is None
        assert figures
        self.calls += 1
        self.standing.add((name, subject))
        return True

    async def clear(self, name: str, subject: str) -> bool:
        self.calls += 1
        self.standing.discard((name, subject))
        return True


class World:
    """A machine whose clock is `ahead_s` of the database, and a line that takes its time."""

    def __init__(self, ahead_s: float = 0.0) -> None:
        self.passed = 0.0
        self.ahead_s = ahead_s
        # There and back, of one question after the other.
        self.trips_s = [(0.01, 0.01)] * 100
        self.bells = Bells()

    def wall(self) -> datetime:
        return NOON + timedelta(seconds=self.passed + self.ahead_s)

    def monotonic(self) -> float:
        return 5_000 + self.passed

    async def ask(self) -> datetime:
        there_s, back_s = self.trips_s.pop(0)
        self.passed += there_s
        database = NOON + timedelta(seconds=self.passed)
        self.passed += back_s
        return database

    def clock(self) -> DatabaseClock:
        return DatabaseClock(
            self.ask, self.bells, "executor-1", wall=self.wall, monotonic=self.monotonic
        )


ALARM = ("CLOCK_SKEW", "executor-1")


@pytest.mark.parametrize(
    ("ahead_s", "alarmed", "entries"),
    [
        (0.0, False, True),
        (0.4, False, True),
        (0.6, True, True),
        (-1.9, True, True),
        (2.1, True, False),
        (-600, True, False),
    ],
)
async def test_a_clock_that_is_off_alarms_and_far_off_stops_entries(
    ahead_s: float, alarmed: bool, entries: bool
) -> None:
    world = World(ahead_s)
    clock = world.clock()

    await clock.measure()

    assert clock.skew_s == pytest.approx(ahead_s, abs=0.001)
    assert clock.entries_allowed is entries
    assert (ALARM in world.bells.standing) is alarmed


async def test_it_tells_the_database_s_time() -> None:
    world = World(ahead_s=600)
    clock = world.clock()

    await clock.measure()
    world.passed += 3

    assert (clock.now() - NOON).total_seconds() == pytest.approx(world.passed, abs=0.001)


async def test_a_clock_that_is_set_wrong_between_measurements_shows_at_once() -> None:
    world = World()
    clock = world.clock()
    await clock.measure()

    world.ahead_s = -600

    assert not clock.entries_allowed


async def test_entries_wait_for_the_first_measurement() -> None:
    clock = World().clock()

    assert clock.skew_s is None
    assert not clock.entries_allowed


async def test_the_quickest_answer_is_believed() -> None:
    world = World()
    # Each of these alone would look like a clock that is a second and a half off.
    world.trips_s = [(0.0, 3.0), (0.001, 0.001), (3.0, 0.0)]
    clock = world.clock()

    await clock.measure()

    assert clock.skew_s == pytest.approx(0, abs=0.01)


async def test_the_alarm_ends_when_the_clock_is_right_again() -> None:
    world = World(ahead_s=5)
    clock = world.clock()
    await clock.measure()

    world.ahead_s = 0
    await clock.measure()
    said = world.bells.calls
    await clock.measure()

    assert world.bells.standing == set()
    assert world.bells.calls == said


async def test_an_alarm_of_an_earlier_process_is_ended_by_the_first_look() -> None:
    world = World()
    world.bells.standing.add(ALARM)

    await world.clock().measure()

    assert world.bells.standing == set()


async def test_a_database_that_is_away_leaves_the_last_measurement(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = World()
    clock = world.clock()
    await clock.measure()

    class Enough(Exception):
        pass

    async def away() -> datetime:
        raise OSError("connection refused")

    async def stop(_delay_s: float) -> None:
        raise Enough

    clock.ask = away
    monkeypatch.setattr("asyncio.sleep", stop)
    with pytest.raises(Enough):
        await clock.keep()

    assert clock.entries_allowed
