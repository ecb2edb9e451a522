"""Which exits failed, and what another try of one may close."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from libs.trading.calendar import end_of_trading_day
from libs.trading.orders import Product, Side
from libs.trading.reasons import ClosedReason, SkipReason
from libs.trading.signals import SignalAction
from libs.trading.states import OrderState
from services.executor.exit_retry import (
    FAILED_STATES,
    ExitOrder,
    anew,
    bounded,
    figures_of,
    is_failed,
    refusal,
    still_open,
)
from services.executor.exits import Opened
from tests.factories import NOON, a_signal

TEN_HELD = Opened(account_id="account-1", net_quantity=10, closing=0, ours_today=10)
NOTHING_ELSEWHERE = 0


def an_exit(**changes: Any) -> ExitOrder:
    exit_order = ExitOrder(
        order_id="order-1",
        action="EXIT",
        state=OrderState.REJECTED,
        reason=None,
        message="",
        account_id="account-1",
        user_id="user-1",
        broker="fyers",
        shard=0,
        environment="PAPER",
        instrument="NSE:SBIN",
        product=Product.INTRADAY,
        quantity=10,
        filled_quantity=0,
        cancelled=False,
    )
    return replace(exit_order, **changes)


@pytest.mark.parametrize("state", sorted(FAILED_STATES))
def test_an_exit_that_ended_or_is_unclear_has_failed(state: OrderState) -> None:
    assert is_failed(an_exit(state=state))
    assert not is_failed(an_exit(state=state, action="PLACE"))


@pytest.mark.parametrize("state", sorted(set(OrderState) - FAILED_STATES))
def test_an_exit_at_work_or_filled_has_not(state: OrderState) -> None:
    assert not is_failed(an_exit(state=state))


@pytest.mark.parametrize(
    "changes",
    [
        {"state": OrderState.SKIPPED, "reason": SkipReason.MASTER_CANCELLED},
        {"state": OrderState.CANCELLED, "cancelled": True},
        {"state": OrderState.SKIPPED, "reason": SkipReason.TOO_SMALL, "quantity": 0},
        {"state": OrderState.LAPSED, "reason": ClosedReason.ABANDONED},
        {"state": OrderState.CANCELLED, "filled_quantity": 10},
        {"settled": True},
    ],
)
def test_what_somebody_wanted_so_is_no_failure(changes: dict[str, Any]) -> None:
    assert not is_failed(an_exit(**changes))


@pytest.mark.parametrize("reason", set(SkipReason) - {"MASTER_CANCELLED", "TOO_SMALL"})
def test_every_other_skipped_exit_counts_while_something_is_held(reason: SkipReason) -> None:
    order = an_exit(state=OrderState.SKIPPED, reason=reason, quantity=0)
    nothing = replace(TEN_HELD, net_quantity=0)

    assert is_failed(order)
    assert still_open(order, TEN_HELD, NOTHING_ELSEWHERE) == 10
    assert still_open(order, nothing, NOTHING_ELSEWHERE) == 0


def test_a_failed_exit_is_settled_when_its_position_is_closed() -> None:
    order = an_exit(filled_quantity=4)
    six_held = replace(TEN_HELD, net_quantity=6, ours_today=6)

    assert still_open(order, six_held, NOTHING_ELSEWHERE) == 6
    assert still_open(order, replace(six_held, closing=6), NOTHING_ELSEWHERE) == 6
    assert still_open(order, six_held, -6) == 0
    assert still_open(order, replace(six_held, net_quantity=0), NOTHING_ELSEWHERE) == 0


def test_what_other_exits_are_closing_is_no_failure_of_the_one_they_left_nothing_to() -> None:
    order = an_exit(state=OrderState.SKIPPED, reason=SkipReason.CLOSED_ELSEWHERE, quantity=0)

    assert still_open(order, replace(TEN_HELD, closing=10), NOTHING_ELSEWHERE) == 0


def test_deliveries_sold_by_hand_count() -> None:
    order = an_exit(product=Product.DELIVERY, by_hand=10)

    assert still_open(order, TEN_HELD, None) == 0
    assert bounded(order, TEN_HELD, None).left(Product.DELIVERY, None) == 0


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"action": "PLACE"}, "NOT_AN_EXIT"),
        ({"state": OrderState.UNKNOWN}, "ORDER_UNCLEAR"),
        ({"state": OrderState.SENDING}, "ORDER_UNCLEAR"),
        ({"state": OrderState.NEEDS_ATTENTION}, "ORDER_UNCLEAR"),
        ({"state": OrderState.PLANNED}, "ORDER_WORKING"),
        ({"state": OrderState.HELD}, "ORDER_WORKING"),
        ({"state": OrderState.AWAITING_USER}, "ORDER_WORKING"),
        ({"state": OrderState.ACKED}, "ORDER_WORKING"),
        ({"state": OrderState.OPEN}, "ORDER_WORKING"),
        ({"state": OrderState.PARTIAL, "filled_quantity": 4}, "ORDER_WORKING"),
        ({"state": OrderState.FILLED, "filled_quantity": 10}, "ORDER_FILLED"),
        ({"state": OrderState.CANCELLED, "cancelled": True}, "MASTER_CANCELLED"),
        ({"state": OrderState.SKIPPED, "reason": "MASTER_CANCELLED"}, "MASTER_CANCELLED"),
        ({"state": OrderState.LAPSED, "reason": "ABANDONED"}, "ABANDONED"),
        ({"settled": True}, "CLOSED_ELSEWHERE"),
    ],
)
def test_what_can_not_be_tried_again_says_why(changes: dict[str, Any], code: str) -> None:
    refused = refusal(an_exit(**changes))

    assert refused is not None
    assert refused.code == code
    assert refused.message.endswith(".")


@pytest.mark.parametrize("state", ["SKIPPED", "REJECTED", "CANCELLED", "LAPSED", "NOT_PLACED"])
def test_what_ended_may_be_tried_again(state: str) -> None:
    assert refusal(an_exit(state=OrderState(state))) is None


@pytest.mark.parametrize(
    ("mine", "elsewhere", "expected"),
    [
        (TEN_HELD, 0, 6),
        (replace(TEN_HELD, net_quantity=4, ours_today=4), 0, 4),
        (TEN_HELD, -8, 2),
        (TEN_HELD, -10, 0),
        (replace(TEN_HELD, closing=7), 0, 3),
        (replace(TEN_HELD, net_quantity=-10, ours_today=-10), 0, 6),
    ],
)
def test_a_retry_closes_what_the_first_left_and_never_more_than_there_is(
    mine: Opened, elsewhere: int, expected: int
) -> None:
    order = an_exit(filled_quantity=4)

    assert bounded(order, mine, elsewhere).left(order.product, elsewhere) == expected


def test_a_retry_lives_from_now_and_closes_whichever_side_is_open() -> None:
    signal = a_signal(action=SignalAction.EXIT, side=Side.SELL, held_quantity=40)
    tomorrow = NOON + timedelta(days=1)

    again = anew(signal, an_exit(), tomorrow)
    of_a_share = anew(signal, an_exit(quantity=0), tomorrow)

    assert again.expires_at == end_of_trading_day(tomorrow)
    assert (again.side, again.held_quantity) == (None, None)
    assert of_a_share.held_quantity == 40
    assert (again.terms, again.product) == (signal.terms, signal.product)


@pytest.mark.parametrize(
    ("changes", "why", "advice"),
    [
        ({"message": "RMS: blocked"}, "The broker refused it: RMS: blocked.", "Try again"),
        ({"message": "Blocked."}, "The broker refused it: Blocked.", "Try again"),
        ({}, "The broker refused it.", "Try again"),
        ({"state": OrderState.SKIPPED, "message": "No price."}, "No price.", "Try again"),
        ({"state": OrderState.NOT_PLACED}, "never reached the broker", "Try again"),
        ({"state": OrderState.CANCELLED, "message": "day over"}, "(day over)", "Try again"),
        (
            {"state": OrderState.SKIPPED, "reason": "CLOSED_ELSEWHERE", "message": "Nothing left."},
            "Nothing left.",
            "Close it at your broker",
        ),
        ({"state": OrderState.UNKNOWN}, "not clear", "Look at your broker"),
        ({"state": OrderState.NEEDS_ATTENTION}, "a person is looking", "Look at your broker"),
    ],
)
def test_the_follower_reads_how_much_why_and_what_to_do(
    changes: dict[str, Any], why: str, advice: str
) -> None:
    figures = figures_of(an_exit(**changes), 6)

    assert (figures["quantity"], figures["instrument"]) == ("6", "NSE:SBIN")
    assert why in figures["why"]
    assert figures["advice"].startswith(advice)
