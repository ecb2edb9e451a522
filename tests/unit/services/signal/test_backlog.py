"""What is refused while the bus is behind."""

import pytest

from libs.trading.signals import SignalAction
from services.signal.backlog import ALARM, Backlog


class AlarmsThatAreCounted:
    def __init__(self) -> None:
        self.heard: list[str] = []

    async def open(self, name: str, subject: str, **figures: str) -> bool:
        self.heard.append(f"{name} opened at {figures['rows']}")
        return True

    async def clear(self, name: str, subject: str) -> bool:
        self.heard.append(f"{name} cleared")
        return True


class Outbox:
    def __init__(self, rows: int) -> None:
        self.rows = rows

    async def count(self, at_most: int) -> int:
        return min(self.rows, at_most)


def a_backlog(outbox: Outbox, alarms: AlarmsThatAreCounted | None = None) -> Backlog:
    return Backlog(outbox.count, 100, alarms or AlarmsThatAreCounted())


@pytest.mark.parametrize(
    ("rows", "refused"),
    [
        (99, set()),
        (100, {SignalAction.PLACE}),
        (109, {SignalAction.PLACE}),
        (110, {SignalAction.PLACE, SignalAction.MODIFY}),
        (1_000_000, {SignalAction.PLACE, SignalAction.MODIFY}),
    ],
)
async def test_entries_are_shed_first_then_changes_and_exits_never(
    rows: int, refused: set[SignalAction]
) -> None:
    backlog = a_backlog(Outbox(rows))

    await backlog.look()

    assert {action for action in SignalAction if backlog.refuses(action)} == refused


async def test_rows_between_two_looks_count() -> None:
    backlog = a_backlog(Outbox(99))
    await backlog.look()

    backlog.grew(1)

    assert backlog.refuses(SignalAction.PLACE)


async def test_the_alarm_is_raised_once_and_ends_only_when_it_is_calm_again() -> None:
    outbox, alarms = Outbox(0), AlarmsThatAreCounted()
    backlog = a_backlog(outbox, alarms)

    for rows in (0, 100, 105, 60, 50, 0):
        outbox.rows = rows
        await backlog.look()

    assert alarms.heard == [f"{ALARM} cleared", f"{ALARM} opened at 100", f"{ALARM} cleared"]
