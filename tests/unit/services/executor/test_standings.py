"""What is counted of an account's day, for the limits that count."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from libs.trading.accounts import Environment
from libs.trading.calendar import trading_day
from libs.trading.market import RequestKind
from libs.trading.orders import OrderType, Validity
from services.executor.births import Born
from services.executor.rows import Claim, Due, Leaving
from services.executor.standings import Counted, Standings
from tests.factories import NOON, a_follow, an_intent

TODAY = trading_day(NOON)


@dataclass
class ClockThatIsSet:
    at: datetime = NOON

    def now(self) -> datetime:
        return self.at


def known(orders: Mapping[Counted, int] | None = None) -> tuple[Standings, ClockThatIsSet]:
    clock = ClockThatIsSet()
    standings = Standings(clock.now)
    standings.load(["account-1"], orders or {}, TODAY)
    return standings, clock


def a_birth(account_id: str = "account-1") -> Born:
    intent = an_intent(account_id=account_id)
    claim = Claim(order_id="o", version=1, user_id="u", intent=intent, not_after=0.0, signal_id="s")
    return Born(claims=[claim])


def test_an_account_that_was_not_loaded_is_unknown() -> None:
    assert Standings(lambda: NOON).of_account("account-1").orders_today is None


def test_orders_count_for_the_account_and_for_the_strategy_that_made_them() -> None:
    standings, _ = known({("account-1", None): 3, ("account-1", "strategy-1"): 2})

    standings.note("strategy-1", a_birth())
    standings.note("strategy-2", a_birth())

    assert standings.of_account("account-1").orders_today == 5
    assert standings.of_follow(a_follow(strategy_id="strategy-1")).orders_today == 3
    assert standings.of_follow(a_follow(strategy_id="strategy-2")).orders_today == 1


def test_commands_are_no_orders() -> None:
    standings, _ = known()
    leaving = Leaving(
        account_id="account-1",
        environment=Environment.PAPER,
        instrument="NSE:SBIN",
        kind=RequestKind.CANCEL,
        order_type=OrderType.LIMIT,
        validity=Validity.DAY,
        expires_at=NOON,
    )
    cancel = Due(order_id="o", version=0, leaving=leaving, command=1)

    standings.note("strategy-1", Born(due=[cancel]))

    assert standings.of_account("account-1").orders_today == 0


def test_a_new_day_begins_with_none() -> None:
    standings, clock = known({("account-1", None): 3})

    clock.at = NOON + timedelta(days=1)

    assert standings.of_account("account-1").orders_today == 0


def test_a_forgotten_account_is_unknown_again() -> None:
    standings, _ = known({("account-1", None): 3})

    standings.forget(["account-1"])

    assert standings.of_account("account-1").orders_today is None
