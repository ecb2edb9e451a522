"""Phases of the market by exchange, class and date; instants are written as clocks in India."""

from datetime import UTC, date, datetime, time, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.trading.calendar import instant_in_india
from libs.trading.market import Market, Request, RequestKind
from libs.trading.market_table import Phase, packaged_table
from libs.trading.orders import OrderType, Validity

ORDINARY = date(2026, 11, 25)  # A Wednesday under the rules since 3 August 2026.
REVISED = date(2026, 12, 9)  # Under the rules of 7 December, which one source tells of.
SHARE, FUTURE = "NSE:SBIN", "NFO:NIFTY:2026-12-29:FUT"
GOLD, COTTON, STRANGE = (f"MCX:{name}:2027-01-29:FUT" for name in ("GOLD", "COTTON", "NEWSTUFF"))
EXIT, CANCEL, MODIFY = RequestKind.EXIT, RequestKind.CANCEL, RequestKind.MODIFY


def india(day: date, clock: str) -> datetime:
    return instant_in_india(day, time.fromisoformat(clock))


def with_derivatives() -> Market:
    return Market(has_derivatives=lambda _: True)


def without_derivatives() -> Market:
    return Market(has_derivatives=lambda _: False)


@pytest.mark.parametrize(
    ("clock", "phase"),
    [
        ("08:59:59", Phase.CLOSED),
        ("09:00", Phase.PREOPEN),
        ("09:14:59", Phase.PREOPEN),
        ("09:15", Phase.CONTINUOUS),
        ("15:14:59", Phase.CONTINUOUS),
        ("15:15", Phase.CAS_TRANSITION),
        ("15:20", Phase.CAS_ENTRY),
        ("15:25", Phase.CAS_LIMIT_ONLY),
        ("15:28", Phase.CLOSED),
    ],
)
def test_a_share_with_derivatives_ends_in_the_closing_auction(clock: str, phase: Phase) -> None:
    assert with_derivatives().phase_of(SHARE, india(ORDINARY, clock)) is phase


@pytest.mark.parametrize(
    ("market", "instrument", "day", "closes"),
    [
        (without_derivatives(), SHARE, ORDINARY, "15:30"),
        (with_derivatives(), SHARE, ORDINARY, "15:15"),
        # Nobody knows whether it has derivatives: the earlier close.
        (Market(), SHARE, ORDINARY, "15:15"),
        (Market(), "BSE:SBIN", ORDINARY, "15:15"),
        (with_derivatives(), SHARE, date(2026, 7, 31), "15:30"),
        (with_derivatives(), SHARE, date(2026, 8, 3), "15:15"),
        (Market(), FUTURE, date(2026, 7, 31), "15:30"),
        (Market(), FUTURE, ORDINARY, "15:40"),
        # An unconfirmed change adds no time for entries, and takes some away.
        (with_derivatives(), SHARE, REVISED, "15:15"),
        (Market(), FUTURE, REVISED, "15:40"),
        (Market(), "NFO:NIFTY:2026-12-29:FUT", date(2026, 12, 29), "15:30"),
        (Market(), "CDS:USDINR:2026-12-29:FUT", ORDINARY, "17:00"),
        (Market(), "CDS:EURUSD:2026-12-29:FUT", ORDINARY, "19:30"),
        (Market(), "CDS:USDINR:2026-11-25:FUT", ORDINARY, "12:30"),
        (Market(), GOLD, date(2026, 10, 30), "23:30"),
        (Market(), GOLD, date(2026, 11, 2), "23:55"),
        (Market(), GOLD, date(2026, 3, 6), "23:55"),
        (Market(), GOLD, date(2026, 3, 9), "23:30"),
        (Market(), COTTON, ORDINARY, "21:00"),
        (Market(), STRANGE, ORDINARY, "17:00"),
    ],
)
def test_entries_end_with_continuous_trading(
    market: Market, instrument: str, day: date, closes: str
) -> None:
    close = india(day, closes)

    assert market.may_enter(instrument, close - timedelta(seconds=1))
    assert not market.may_enter(instrument, close)
    assert market.close_of_day(instrument, close) == close


@pytest.mark.parametrize(
    ("instrument", "day"),
    [
        (SHARE, date(2026, 11, 24)),
        (FUTURE, date(2026, 12, 25)),
        (SHARE, date(2026, 11, 28)),  # A Saturday.
        (SHARE, date(2026, 11, 8)),  # Muhurat: its hours are not known.
        ("CDS:USDINR:2026-12-29:FUT", date(2026, 8, 26)),
        (GOLD, date(2026, 12, 25)),
    ],
)
def test_nothing_is_entered_on_a_closed_day(instrument: str, day: date) -> None:
    market = Market()

    for minute in range(0, 24 * 60, 5):
        assert not market.may_enter(instrument, india(day, "00:00") + timedelta(minutes=minute))
    assert market.close_of_day(instrument, india(day, "12:00")) is None


def test_shares_trade_when_only_currency_is_closed() -> None:
    assert Market().may_enter(SHARE, india(date(2026, 8, 26), "12:00"))


def test_commodities_open_in_the_evening_of_most_holidays() -> None:
    market, day = Market(), date(2026, 11, 24)

    assert not market.may_enter(GOLD, india(day, "16:59:59"))
    assert market.may_enter(GOLD, india(day, "17:00"))
    assert market.close_of_day(GOLD, india(day, "12:00")) == india(day, "23:55")
    # What closes at five has no evening.
    assert market.close_of_day("MCX:MENTHAOIL:2026-12-31:FUT", india(day, "12:00")) is None


def test_commodities_close_in_the_evening_of_new_year() -> None:
    market, day = Market(), date(2026, 1, 1)

    assert market.close_of_day(GOLD, india(day, "12:00")) == india(day, "17:00")


def test_a_special_session_opens_a_sunday() -> None:
    market, sunday = Market(), date(2026, 2, 1)

    assert market.close_of_day(SHARE, india(sunday, "12:00")) == india(sunday, "15:30")
    assert market.close_of_day(GOLD, india(sunday, "12:00")) == india(sunday, "17:00")
    assert not market.may_enter("CDS:USDINR:2026-02-25:FUT", india(sunday, "12:00"))


@pytest.mark.parametrize("day", [date(2025, 12, 31), date(2027, 1, 4)])
def test_past_the_known_dates_nothing_is_entered_but_exits_go(day: date) -> None:
    market, noon = Market(), india(day, "12:00")

    assert market.phase_of(SHARE, noon) is Phase.UNKNOWN
    assert market.goes_at(SHARE, noon, Request(kind=RequestKind.ENTRY)) != noon
    if day > packaged_table().known_until:
        assert market.goes_at(SHARE, noon, Request(kind=EXIT)) == noon
        assert market.goes_at(SHARE, noon, Request(kind=RequestKind.ENTRY)) is None


@pytest.mark.parametrize(
    ("now", "request_", "goes"),
    [
        ("08:00", Request(kind=EXIT), "09:15"),
        ("09:05", Request(kind=CANCEL), "09:15"),
        ("12:00", Request(kind=EXIT, order_type=OrderType.STOP), "12:00"),
        ("15:16", Request(kind=EXIT), "15:20"),
        ("15:21", Request(kind=EXIT, order_type=OrderType.MARKET), "15:21"),
        ("15:26", Request(kind=EXIT), "15:26"),
        ("15:26", Request(kind=CANCEL), "15:26"),
        ("15:26", Request(kind=MODIFY), "15:26"),
    ],
)
def test_what_reduces_risk_goes_when_the_exchange_takes_it(
    now: str, request_: Request, goes: str
) -> None:
    found = with_derivatives().goes_at(SHARE, india(ORDINARY, now), request_)

    assert found == india(ORDINARY, goes)


@pytest.mark.parametrize(
    ("now", "request_"),
    [
        ("15:16", Request(kind=RequestKind.ENTRY)),
        ("15:21", Request(kind=RequestKind.ENTRY)),
        ("15:21", Request(kind=EXIT, order_type=OrderType.STOP)),
        ("15:21", Request(kind=EXIT, validity=Validity.IOC)),
        ("15:26", Request(kind=EXIT, order_type=OrderType.MARKET)),
        ("15:26", Request(kind=CANCEL, order_type=OrderType.MARKET)),
        ("15:29", Request(kind=EXIT)),
    ],
)
def test_what_the_auction_does_not_take_waits_for_the_next_morning(
    now: str, request_: Request
) -> None:
    found = with_derivatives().goes_at(SHARE, india(ORDINARY, now), request_)

    assert found == india(date(2026, 11, 26), "09:15")


def test_an_exit_waits_for_a_moment_that_suits_whatever_the_share_is() -> None:
    market = Market()

    # In an auction share the exchange would refuse it now; at 15:20 either kind takes it.
    waits = market.goes_at(SHARE, india(ORDINARY, "15:17"), Request(kind=EXIT))
    assert waits == india(ORDINARY, "15:20")
    # The auction is over; if the share has none, trading goes on for two minutes.
    now = india(ORDINARY, "15:29")
    assert market.goes_at(SHARE, now, Request(kind=EXIT)) == now
    assert market.goes_at(SHARE, now, Request(kind=RequestKind.ENTRY)) != now


def test_an_exit_uses_the_time_that_an_unconfirmed_change_may_have_added() -> None:
    now = india(REVISED, "15:42")

    assert Market().goes_at(FUTURE, now, Request(kind=EXIT)) == now
    assert not Market().may_enter(FUTURE, now)


def test_the_next_opening_is_found_over_a_long_weekend() -> None:
    friday_evening = india(date(2026, 11, 20), "16:00")
    opening = Market().goes_at(SHARE, friday_evening, Request(kind=RequestKind.ENTRY))

    assert opening == india(date(2026, 11, 23), "09:15")
    thursday = india(date(2026, 12, 24), "16:00")  # Christmas, Saturday, Sunday.
    opening = Market().goes_at(SHARE, thursday, Request(kind=RequestKind.ENTRY))
    assert opening == india(date(2026, 12, 28), "09:15")


def test_the_next_change_is_the_next_phase() -> None:
    market = with_derivatives()

    assert market.next_change(SHARE, india(ORDINARY, "09:01")) == india(ORDINARY, "09:15")
    assert market.next_change(SHARE, india(ORDINARY, "12:00")) == india(ORDINARY, "15:15")
    assert market.next_change(SHARE, india(ORDINARY, "16:00")) == india(date(2026, 11, 26), "09:00")


@pytest.mark.parametrize("halted", ["NSE", SHARE])
def test_a_halt_stops_an_exchange_or_one_instrument(halted: str) -> None:
    market, noon = Market(halts={halted}), india(ORDINARY, "12:00")

    assert market.phase_of(SHARE, noon) is Phase.HALTED
    assert not market.may_enter(SHARE, noon)
    assert market.may_enter("BSE:SBIN", noon)


INSTRUMENTS = st.sampled_from(
    [SHARE, "BSE:SBIN", FUTURE, "BFO:SENSEX:2026-12-10:80000:CE", "CDS:USDINR:2026-12-29:FUT",
     GOLD, COTTON, STRANGE]
)  # fmt: skip
INSTANTS = st.datetimes(
    datetime(2026, 1, 1), datetime(2027, 2, 1), timezones=st.just(UTC)  # noqa: DTZ001
)  # fmt: skip


@given(INSTRUMENTS, INSTANTS, st.sampled_from([True, False, None]))
def test_whatever_may_be_entered_may_be_left_and_no_wait_leads_into_the_past(
    instrument: str, at: datetime, known: bool | None
) -> None:
    market = Market(has_derivatives=lambda _: known)
    entry = market.goes_at(instrument, at, Request(kind=RequestKind.ENTRY))
    way_out = market.goes_at(instrument, at, Request(kind=EXIT))

    assert market.may_enter(instrument, at) == (entry == at)
    assert entry is None or (entry >= at and market.may_enter(instrument, entry))
    assert way_out is not None
    assert at <= way_out <= (entry or way_out)
    change = market.next_change(instrument, at)
    assert change is None or change > at
