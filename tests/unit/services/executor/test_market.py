from datetime import date, datetime, time, timedelta

import pytest

from libs.trading.accounts import Environment
from libs.trading.calendar import instant_in_india
from libs.trading.market import Market, Request, RequestKind
from libs.trading.reasons import HoldReason, SkipReason, figures_of
from services.executor.market import Hold, MarketGate, PaperMarket, Skip

SHARE = "NSE:SBIN"
ENTRY, EXIT = Request(kind=RequestKind.ENTRY), Request(kind=RequestKind.EXIT)


def india(clock: str) -> datetime:
    return instant_in_india(date(2026, 11, 25), time.fromisoformat(clock))


def gate(paper: PaperMarket = PaperMarket.OPEN, market: Market | None = None) -> MarketGate:
    return MarketGate(market=market or Market(has_derivatives=lambda _: True), paper=paper)


def ask(
    clock: str,
    request: Request = ENTRY,
    environment: Environment = Environment.LIVE,
    at: MarketGate | None = None,
    lives_s: int = 30,
) -> Hold | Skip | None:
    now = india(clock)
    return (at or gate()).ask(
        SHARE, environment, request, now=now, expires_at=now + timedelta(seconds=lives_s)
    )


def test_an_open_market_lets_everything_go() -> None:
    assert ask("12:00") is None
    assert ask("12:00", EXIT) is None


def test_an_entry_just_before_the_opening_waits_for_it() -> None:
    assert ask("09:14:50") == Hold(reason=HoldReason.PREOPEN, until=india("09:15"))


@pytest.mark.parametrize("clock", ["03:00", "09:01", "15:16", "15:21", "20:00"])
def test_an_entry_that_would_not_live_to_see_the_opening_is_skipped_at_once(clock: str) -> None:
    found = ask(clock)

    assert isinstance(found, Skip)
    assert found.reason is SkipReason.CLOSED
    assert found.figures.keys() == figures_of(SkipReason.CLOSED)


def test_who_comes_before_the_opening_is_told_when_it_is() -> None:
    opens = f"{india('09:15'):%-d %B}, 09:15"

    assert ask("03:00") == Skip(reason=SkipReason.CLOSED, figures={"opens": opens})


def test_an_exit_before_the_opening_waits_for_it() -> None:
    found = gate().ask(SHARE, Environment.LIVE, EXIT, now=india("08:00"))

    assert found == Hold(reason=HoldReason.PREOPEN, until=india("09:15"))


def test_an_exit_after_the_close_would_not_live_to_the_morning() -> None:
    found = gate().ask(SHARE, Environment.LIVE, EXIT, now=india("16:00"))

    assert isinstance(found, Skip)
    assert found.reason is SkipReason.CLOSED


def test_paper_trades_round_the_clock_unless_it_rehearses() -> None:
    assert ask("03:00", environment=Environment.PAPER) is None
    rehearsing = gate(PaperMarket.HOURS)
    assert ask("03:00", environment=Environment.PAPER, at=rehearsing) is not None


def test_live_keeps_the_hours_whatever_paper_does() -> None:
    for paper in PaperMarket:
        assert isinstance(ask("03:00", at=gate(paper)), Skip)


def test_a_halt_holds_exits_too() -> None:
    halted = gate(market=Market(halts={"NSE"}))

    found = ask("12:00", EXIT, at=halted)

    assert found == Hold(reason=HoldReason.HALTED, until=india("12:00:05"))


def test_a_name_that_is_none_is_not_entered_but_may_be_left() -> None:
    strange = "NASDAQ:AAPL"

    entry = gate().ask(strange, Environment.LIVE, ENTRY, now=india("12:00"))

    assert entry == Skip(reason=SkipReason.UNKNOWN_INSTRUMENT)
    assert gate().ask(strange, Environment.LIVE, EXIT, now=india("12:00")) is None


def test_operators_hear_two_weeks_before_the_known_dates_end() -> None:
    def told(day: date) -> dict[str, str] | None:
        return gate().ends_soon(instant_in_india(day, time(9)))

    assert told(date(2026, 12, 16)) is None
    assert told(date(2026, 12, 17)) == {"known_until": "2026-12-31", "days_left": "14"}
    assert told(date(2027, 1, 2)) == {"known_until": "2026-12-31", "days_left": "-2"}
