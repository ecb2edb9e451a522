from datetime import UTC, date, datetime, time

from libs.trading.calendar import (
    end_of_trading_day,
    next_time_in_india,
    time_in_india,
    trading_day,
)

LATE = datetime(2026, 11, 22, 19, 0, tzinfo=UTC)  # 00:30 on the 23rd in India.


def test_the_trading_day_is_the_date_in_india() -> None:
    assert trading_day(LATE) == date(2026, 11, 23)


def test_clocks_in_india_are_half_past() -> None:
    assert time_in_india(datetime(2026, 11, 23, 3, 45, 30, tzinfo=UTC)) == time(9, 15, 30)


def test_the_day_ends_at_midnight_in_india() -> None:
    assert end_of_trading_day(LATE) == datetime(2026, 11, 23, 18, 29, 59, tzinfo=UTC)


def test_the_next_morning_may_be_today() -> None:
    assert next_time_in_india(LATE, time(6)) == datetime(2026, 11, 23, 0, 30, tzinfo=UTC)
    after = datetime(2026, 11, 23, 0, 30, tzinfo=UTC)
    assert next_time_in_india(after, time(6)) == datetime(2026, 11, 24, 0, 30, tzinfo=UTC)
