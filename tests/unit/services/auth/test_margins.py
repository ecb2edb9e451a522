from decimal import Decimal

import pytest

from libs.brokers.errors import OutcomeUnknown, SessionExpired
from services.auth.margins import FRESH_S, Margins


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


class Purse:
    """A broker account that answers, or does not."""

    def __init__(self, *answers: Decimal | Exception) -> None:
        self._answers = list(answers)
        self.asked = 0

    async def read(self) -> Decimal:
        self.asked += 1
        answer = self._answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


async def test_a_figure_is_read_once_in_ten_seconds_whoever_polls() -> None:
    clock, purse = Clock(), Purse(Decimal(100), Decimal(90))
    margins = Margins(clock)

    first, fresh = await margins.of("account-1", purse.read)
    again, still = await margins.of("account-1", purse.read)
    clock.now = FRESH_S
    later, _ = await margins.of("account-1", purse.read)

    assert (fresh, still, purse.asked) == (True, False, 2)
    assert first is not None
    assert later is not None
    assert again == first
    assert (first.available, later.available) == (Decimal(100), Decimal(90))


@pytest.mark.parametrize("error", [OutcomeUnknown("no answer"), TimeoutError()])
async def test_a_broker_that_does_not_answer_leaves_the_last_figure(error: Exception) -> None:
    clock, purse = Clock(), Purse(Decimal(100), error)
    margins = Margins(clock)
    first, _ = await margins.of("account-1", purse.read)

    clock.now = FRESH_S
    last, fresh = await margins.of("account-1", purse.read)

    assert (last, fresh) == (first, False)


async def test_a_figure_that_was_never_read_is_unknown_not_zero() -> None:
    assert await Margins(Clock()).of("account-1", Purse(TimeoutError()).read) == (None, False)


async def test_a_dead_session_is_told_and_forgotten() -> None:
    margins, purse = Margins(Clock()), Purse(SessionExpired("log in"), Decimal(5))

    with pytest.raises(SessionExpired):
        await margins.of("account-1", purse.read)

    margin, fresh = await margins.of("account-1", purse.read)
    assert margin is not None
    assert fresh
