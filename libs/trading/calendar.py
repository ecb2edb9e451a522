"""Indian market time. The only module that knows IST; everywhere else instants are aware UTC."""

from datetime import UTC, date, datetime, time, timedelta, timezone

IST = timezone(timedelta(hours=5, minutes=30), "IST")
_DAY_END = time(23, 59, 59)


def trading_day(instant: datetime) -> date:
    """Tell the calendar date in India at this instant."""
    return instant.astimezone(IST).date()


def time_in_india(instant: datetime) -> time:
    """Tell what clocks in India show at this instant."""
    return instant.astimezone(IST).time()


def end_of_trading_day(instant: datetime) -> datetime:
    """Find the last second of the Indian date of this instant, in UTC.

    Later than every exchange's close, commodities included: the bound for exits and cancels.
    """
    return datetime.combine(trading_day(instant), _DAY_END, IST).astimezone(UTC)


def next_time_in_india(after: datetime, at: time) -> datetime:
    """Find the first instant after `after` when clocks in India show `at`, in UTC."""
    candidate = datetime.combine(trading_day(after), at, IST)
    if candidate <= after:
        candidate += timedelta(days=1)
    return candidate.astimezone(UTC)


def instant_in_india(day: date, at: time) -> datetime:
    """Find the instant at which clocks in India show `at` on this date, in UTC."""
    return datetime.combine(day, at, IST).astimezone(UTC)
