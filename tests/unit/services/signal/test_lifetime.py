"""How long signals live."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.trading.calendar import end_of_trading_day, trading_day
from libs.trading.signals import SignalAction
from services.signal.lifetime import expiry_of, lifetime_problem
from tests.factories import NOON

INSTANTS = st.datetimes(
    min_value=datetime(2026, 1, 1),  # noqa: DTZ001  # hypothesis adds the zone
    max_value=datetime(2036, 1, 1),  # noqa: DTZ001
    timezones=st.just(UTC),
)


@pytest.mark.parametrize(
    ("action", "asked_s", "lives"),
    [
        (SignalAction.PLACE, None, timedelta(seconds=30)),
        (SignalAction.PLACE, 120, timedelta(seconds=120)),
        (SignalAction.PLACE, 1, timedelta(seconds=1)),
        (SignalAction.MODIFY, None, timedelta(seconds=60)),
        (SignalAction.MODIFY, 5, timedelta(seconds=5)),
        (SignalAction.CANCEL, None, end_of_trading_day(NOON) - NOON),
        (SignalAction.EXIT, None, end_of_trading_day(NOON) - NOON),
    ],
)
def test_each_action_has_its_lifetime(
    action: SignalAction, asked_s: int | None, lives: timedelta
) -> None:
    assert lifetime_problem(action, asked_s) is None
    assert expiry_of(action, NOON, asked_s) == NOON + lives


@pytest.mark.parametrize(
    ("action", "asked_s", "words"),
    [
        (SignalAction.PLACE, 121, "1 to 120 seconds"),
        (SignalAction.PLACE, 0, "1 to 120 seconds"),
        (SignalAction.PLACE, -5, "1 to 120 seconds"),
        (SignalAction.MODIFY, 61, "1 to 60 seconds"),
        (SignalAction.CANCEL, 30, "leave it out"),
        (SignalAction.EXIT, 30, "leave it out"),
    ],
)
def test_a_lifetime_out_of_bounds_is_refused_with_the_bounds(
    action: SignalAction, asked_s: int, words: str
) -> None:
    assert words in str(lifetime_problem(action, asked_s))


@pytest.mark.parametrize("late_s", [0, 12, 29])
def test_an_entry_has_lived_since_it_happened(late_s: int) -> None:
    happened_at = NOON - timedelta(seconds=late_s)

    assert expiry_of(SignalAction.PLACE, NOON, None, happened_at) - happened_at == timedelta(
        seconds=30
    )


def test_an_entry_that_comes_too_late_is_over_at_once() -> None:
    expires_at = expiry_of(SignalAction.PLACE, NOON, None, NOON - timedelta(hours=1))

    assert timedelta(0) < expires_at - NOON < timedelta(milliseconds=1)


def test_a_clock_ahead_of_ours_gives_an_entry_no_more_time() -> None:
    assert expiry_of(SignalAction.PLACE, NOON, None, NOON + timedelta(minutes=4)) == expiry_of(
        SignalAction.PLACE, NOON, None
    )


@pytest.mark.parametrize("action", [SignalAction.CANCEL, SignalAction.EXIT])
def test_a_way_out_is_never_too_late_on_its_day(action: SignalAction) -> None:
    assert expiry_of(action, NOON, None, NOON - timedelta(hours=5)) == end_of_trading_day(NOON)


@given(st.sampled_from(list(SignalAction)), INSTANTS)
def test_no_signal_is_born_dead(action: SignalAction, accepted_at: datetime) -> None:
    assert expiry_of(action, accepted_at, None) > accepted_at


@given(st.sampled_from([SignalAction.CANCEL, SignalAction.EXIT]), INSTANTS)
def test_what_reduces_risk_lives_to_the_end_of_its_indian_day_and_no_longer(
    action: SignalAction, accepted_at: datetime
) -> None:
    expires_at = expiry_of(action, accepted_at, None)

    assert expires_at >= end_of_trading_day(accepted_at)
    assert trading_day(expires_at - timedelta(seconds=1)) == trading_day(accepted_at)


@given(st.integers(min_value=1, max_value=120), INSTANTS)
def test_an_entry_never_outlives_two_minutes(asked_s: int, accepted_at: datetime) -> None:
    lives = expiry_of(SignalAction.PLACE, accepted_at, asked_s) - accepted_at

    assert lives == timedelta(seconds=asked_s) <= timedelta(seconds=120)
