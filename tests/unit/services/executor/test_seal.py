"""Which day is over, and what of it does not agree."""

from dataclasses import replace
from datetime import UTC, date, datetime, time
from decimal import Decimal

import pytest

from libs.trading.orders import OrderStatus, Side, Trade
from libs.trading.reasons import AttentionReason
from libs.trading.states import OrderState
from services.executor.day_rows import DayOrder, first_id
from services.executor.seal import day_to_seal, findings
from tests.factories import a_report

ORDER = DayOrder(
    order_id="o1",
    version=5,
    state=OrderState.FILLED,
    account_id="a1",
    client_order_id="k3v9q0m2x7b1a4z",
    broker_order_id="B1",
    instrument="NSE:SBIN",
    side=Side.BUY,
    filled_quantity=10,
)
TRADE = Trade(
    trade_id="T1",
    broker_order_id="B1",
    instrument="NSE:SBIN",
    side=Side.BUY,
    quantity=10,
    price=Decimal(800),
)


@pytest.mark.parametrize(
    ("now", "day"),
    [
        (datetime(2026, 11, 20, 18, 26, 59, tzinfo=UTC), date(2026, 11, 19)),
        (datetime(2026, 11, 20, 18, 27, tzinfo=UTC), date(2026, 11, 20)),
        (datetime(2026, 11, 20, 18, 30, tzinfo=UTC), date(2026, 11, 20)),
        (datetime(2026, 11, 21, 3, tzinfo=UTC), date(2026, 11, 20)),
    ],
)
def test_a_day_is_over_at_its_time_in_india_until_the_next_one_is(now: datetime, day: date) -> None:
    assert day_to_seal(now, time(23, 57)) == day


def test_a_day_of_order_ids_begins_at_midnight_in_india() -> None:
    begin = datetime(2026, 11, 19, 18, 30, tzinfo=UTC)
    milliseconds = int(first_id(date(2026, 11, 20)).replace("-", "")[:12], 16)

    assert milliseconds == begin.timestamp() * 1000


@pytest.mark.parametrize("state", [OrderState.ACKED, OrderState.OPEN, OrderState.PARTIAL])
def test_what_is_open_after_the_close_is_for_a_person(state: OrderState) -> None:
    row = a_report(broker_order_id="B1", status=OrderStatus.OPEN)

    [shown] = findings([replace(ORDER, state=state)], [row], [TRADE])
    [gone] = findings([replace(ORDER, state=state)], [], None)

    assert shown.reason is gone.reason is AttentionReason.STILL_OPEN
    assert ("shows it OPEN" in shown.message, "no book" in gone.message) == (True, True)


def test_fills_have_to_be_in_the_trade_book() -> None:
    assert findings([ORDER], [], [TRADE]) == []
    assert findings([ORDER], [], [replace(TRADE, quantity=4), replace(TRADE, quantity=6)]) == []
    [finding] = findings([ORDER], [], [replace(TRADE, quantity=8)])
    assert finding.reason is AttentionReason.DAY_DIFFERENCE
    assert "10 filled here, 8" in finding.message
    [unheard] = findings(
        [replace(ORDER, state=OrderState.CANCELLED, filled_quantity=0)], [], [TRADE]
    )
    assert unheard.reason is AttentionReason.DAY_DIFFERENCE


def test_what_never_reached_the_broker_or_waits_for_a_person_is_no_finding() -> None:
    for state in (OrderState.NOT_PLACED, OrderState.NEEDS_ATTENTION, OrderState.UNKNOWN):
        assert findings([replace(ORDER, state=state)], [], []) == []


def test_without_the_days_trade_book_only_what_is_open_is_judged() -> None:
    assert findings([ORDER], [], None) == []
