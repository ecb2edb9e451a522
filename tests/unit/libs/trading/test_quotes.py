"""How old a quote is."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

from libs.trading.quotes import Quote
from tests.factories import NOON

QUOTE = Quote(instrument="NSE:SBIN", last=Decimal("812.50"), at=NOON)


def test_quote_grows_old() -> None:
    assert QUOTE.age_s(NOON + timedelta(seconds=1.5)) == 1.5


def test_quote_from_a_clock_that_runs_ahead_is_of_now() -> None:
    assert replace(QUOTE, at=NOON + timedelta(seconds=3)).age_s(NOON) == 0
