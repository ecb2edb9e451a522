"""What is counted and known of an account, for the rules that ask."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from libs.trading.accounts import Environment
from libs.trading.calendar import trading_day
from libs.trading.entries import entry_of
from libs.trading.instruments import Instrument
from libs.trading.orders import Product, Side
from libs.trading.signals import SignalAction
from services.executor.rows import PlannedOrder, Shape
from services.executor.standings import Counted, Part, Seen, Standings
from tests.factories import NOON, a_follow, a_signal, some_terms

TODAY = trading_day(NOON)
SBIN = ("NSE:SBIN", Product.INTRADAY)
TCS = ("NSE:TCS", Product.INTRADAY)


@dataclass
class ClockThatIsSet:
    at: datetime = NOON
    seconds: float = 100.0


def known(orders: Mapping[Counted, int] | None = None) -> tuple[Standings, ClockThatIsSet]:
    clock = ClockThatIsSet()
    standings = Standings(now=lambda: clock.at, lasts_s=60, monotonic=lambda: clock.seconds)
    standings.load(["account-1"], orders or {}, TODAY)
    return standings, clock


def an_order(
    quantity: int = 10, side: Side = Side.BUY, action: SignalAction = SignalAction.PLACE
) -> PlannedOrder:
    shape = Shape(
        signal=a_signal(action=action),
        product=Product.INTRADAY,
        environment=Environment.PAPER,
        side=side,
        terms=some_terms(quantity=quantity),
        algo_id=None,
        request_hash=b"",
    )
    return PlannedOrder("o", "t", "account-1", 0, "follow-1", "user-1", 0, shape)


def what_was_read(at: float) -> Seen:
    return Seen(
        at=at,
        funds=Decimal(1000),
        equity=Decimal(5000),
        whole=Part(positions={SBIN: 30, TCS: 5}, loss=Decimal(70)),
        parts={"strategy-1": Part(positions={SBIN: 10}, loss=Decimal(20))},
    )


def test_an_account_that_was_not_loaded_is_unknown() -> None:
    standings, _ = known()

    assert standings.of_account("account-2").orders_today is None


def test_orders_count_for_the_account_and_for_the_strategy_that_made_them() -> None:
    standings, _ = known({("account-1", None): 3, ("account-1", "strategy-1"): 2})

    standings.note("strategy-1", [an_order()])
    standings.note("strategy-2", [an_order()])

    assert standings.of_account("account-1").orders_today == 5
    assert standings.of_follow(a_follow(strategy_id="strategy-1")).orders_today == 3
    assert standings.of_follow(a_follow(strategy_id="strategy-2")).orders_today == 1


def test_what_exits_take_away_cannot_be_sold_once_more() -> None:
    standings, clock = known()
    standings.take("account-1", what_was_read(clock.seconds))
    entry = entry_of(a_signal(side=Side.SELL), Instrument(name="NSE:SBIN"), at=NOON)

    before = standings.of_account("account-1").to_sell(entry)
    standings.note("strategy-1", [an_order(20, Side.SELL, SignalAction.EXIT)])
    after = standings.of_account("account-1")

    assert (before, after.to_sell(entry)) == (30, 10)
    # It is still there, and counts as an open position, until the exit is filled.
    assert after.held(entry) == 30


def test_a_new_day_begins_with_nothing_counted_and_nothing_known() -> None:
    standings, clock = known({("account-1", None): 3})
    standings.take("account-1", what_was_read(clock.seconds))

    clock.at = NOON + timedelta(days=1)

    standing = standings.of_account("account-1")
    assert (standing.orders_today, standing.funds) == (0, None)


def test_a_forgotten_account_is_unknown_again() -> None:
    standings, clock = known({("account-1", None): 3})
    standings.take("account-1", what_was_read(clock.seconds))

    standings.forget(["account-1"])

    standing = standings.of_account("account-1")
    assert (standing.orders_today, standing.funds) == (None, None)


def test_what_was_read_stands_for_the_account_and_in_part_for_a_follow() -> None:
    standings, clock = known()
    standings.take("account-1", what_was_read(clock.seconds))

    account = standings.of_account("account-1")
    follow = standings.of_follow(a_follow())
    stranger = standings.of_follow(a_follow(strategy_id="strategy-9"))

    assert (account.funds, account.equity) == (Decimal(1000), Decimal(5000))
    assert (account.open_positions, account.positions) == (2, {SBIN: 30, TCS: 5})
    assert (follow.open_positions, follow.positions) == (1, {SBIN: 10})
    assert [it.loss_today for it in (account, follow, stranger)] == [70, 20, 0]
    assert stranger.open_positions == 0


def test_what_was_ordered_since_the_reading_stands_beside_it() -> None:
    standings, clock = known()
    standings.take("account-1", what_was_read(clock.seconds))
    clock.seconds += 1
    standings.note("strategy-1", [an_order(quantity=7), an_order(quantity=2, side=Side.SELL)])

    assert standings.of_account("account-1").positions == {SBIN: 35, TCS: 5}
    assert standings.of_follow(a_follow()).positions == {SBIN: 15}


def test_a_new_reading_takes_the_place_of_what_was_ordered_before_it() -> None:
    standings, clock = known()
    standings.take("account-1", what_was_read(clock.seconds))
    clock.seconds += 1
    standings.note("strategy-1", [an_order(quantity=7)])

    standings.take("account-1", what_was_read(clock.seconds + 1))

    assert standings.of_account("account-1").positions == {SBIN: 30, TCS: 5}


def test_old_figures_are_unknown() -> None:
    standings, clock = known()
    standings.take("account-1", what_was_read(clock.seconds))

    clock.seconds += 61

    assert standings.of_account("account-1").funds is None
    assert standings.age_s("account-1") == 61


def test_what_was_counted_while_the_ledger_was_asked_is_not_forgotten() -> None:
    standings, _ = known()
    standings.note("strategy-1", [an_order(), an_order()])

    standings.load(["account-1"], {("account-1", None): 1}, TODAY)

    assert standings.of_account("account-1").orders_today == 2
