"""Why was I not copied: every answer, as a follower would ask for it."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from libs.trading.signals import SignalAction
from libs.trading.states import OrderState
from services.signal.report_explaining import Explanation, Outcome, explained
from services.signal.report_records import CopiedOrder
from tests.factories import NOON, a_follow, a_signal

FOLLOW = a_follow(from_seq=4, until_seq=9)
LIMIT = "9 shares of ₹100, ₹900 in all, is over your ₹500 limit per order."


def a_copy(**changes: Any) -> CopiedOrder:
    copy = CopiedOrder(
        order_id="0193a000-0000-7000-8000-00000000000a",
        signal_id="0193a000-0000-7000-8000-000000000001",
        seq=5,
        account_id="account-1",
        broker="somewhere",
        environment="PAPER",
        action="PLACE",
        instrument="NSE:SBIN",
        side="BUY",
        product="INTRADAY",
        order_type="LIMIT",
        quantity=10,
        limit_price=Decimal("812.50"),
        trigger_price=None,
        state="PLANNED",
        reason=None,
        message="",
        figures={},
        filled_quantity=0,
        average_price=None,
        master_price=Decimal("812.50"),
        slippage_bp=None,
        broker_event_at=None,
        accepted_at=NOON,
        published_at=None,
        planned_at=NOON,
        sent_at=None,
        acknowledged_at=None,
        filled_at=None,
    )
    return replace(copy, **changes)


def explain(
    orders: Sequence[CopiedOrder] = (), *, opened: bool = False, age_s: float = 600, **signal: Any
) -> Explanation:
    return explained(
        FOLLOW,
        a_signal(**{"seq": 5, **signal}),
        orders,
        opened=opened,
        now=NOON + timedelta(seconds=age_s),
    )


def test_a_signal_before_the_follow_is_not_covered_and_says_from_where() -> None:
    answer = explain([a_copy()], seq=4)

    assert answer.outcome is Outcome.NOT_COVERED
    assert "before you followed" in answer.sentence
    assert answer.figures == {"seq": "4", "from_seq": "4"}


def test_a_signal_after_the_end_is_not_covered_and_says_until_where() -> None:
    answer = explain(seq=10)

    assert answer.outcome is Outcome.NOT_COVERED
    assert "had ended with the master's signal 9" in answer.sentence
    assert answer.figures["until_seq"] == "9"


@pytest.mark.parametrize(
    ("age_s", "outcome"),
    [(0, Outcome.ON_THE_WAY), (60, Outcome.ON_THE_WAY), (121, Outcome.NO_ORDER)],
)
def test_without_an_order_a_signal_is_on_its_way_but_not_for_ever(
    age_s: float, outcome: Outcome
) -> None:
    answer = explain(age_s=age_s)

    assert answer.outcome is outcome
    if outcome is Outcome.NO_ORDER:
        assert "0193a000-0000-7000-8000-000000000001" in answer.sentence


def test_an_exit_of_what_was_never_opened_has_nothing_to_close() -> None:
    assert explain(action=SignalAction.EXIT).outcome is Outcome.NOTHING_TO_CLOSE
    assert explain(action=SignalAction.EXIT, opened=True).outcome is Outcome.NO_ORDER
    assert explain(action=SignalAction.EXIT, age_s=1).outcome is Outcome.ON_THE_WAY


def test_a_skip_carries_its_reason_and_the_sentence_with_its_figures() -> None:
    figures = {"quantity": "9", "limit": "500"}
    answer = explain(
        [a_copy(state="SKIPPED", reason="ORDER_VALUE", message=LIMIT, figures=figures)]
    )

    assert (answer.outcome, answer.reason, answer.sentence) == (
        Outcome.SKIPPED,
        "ORDER_VALUE",
        LIMIT,
    )
    assert answer.figures["master_price"] == "812.50"
    assert answer.figures["master_quantity"] == "10"
    assert (answer.figures["quantity"], answer.figures["limit"]) == ("9", "500")


def test_a_rejection_carries_the_brokers_own_words() -> None:
    answer = explain([a_copy(state="REJECTED", message="RMS: 5000 short")])

    assert answer.outcome is Outcome.REJECTED
    assert answer.sentence == "The broker refused the order: RMS: 5000 short"


@pytest.mark.parametrize(
    ("state", "outcome"),
    [
        ("PLANNED", Outcome.ON_THE_WAY),
        ("SENDING", Outcome.ON_THE_WAY),
        ("UNKNOWN", Outcome.ON_THE_WAY),
        ("HELD", Outcome.WAITING),
        ("AWAITING_USER", Outcome.WAITING),
        ("ACKED", Outcome.WORKING),
        ("OPEN", Outcome.WORKING),
        ("PARTIAL", Outcome.WORKING),
        ("FILLED", Outcome.COPIED),
        ("CANCELLED", Outcome.CANCELLED),
        ("REJECTED", Outcome.REJECTED),
        ("LAPSED", Outcome.LAPSED),
        ("NOT_PLACED", Outcome.NOT_PLACED),
        ("NEEDS_ATTENTION", Outcome.NEEDS_ATTENTION),
        ("SKIPPED", Outcome.SKIPPED),
    ],
)
def test_every_state_of_an_order_has_its_answer(state: str, outcome: Outcome) -> None:
    answer = explain([a_copy(state=state)])

    assert answer.outcome is outcome
    assert answer.sentence.endswith(".")


def test_every_state_is_in_the_test_above() -> None:
    [mark] = test_every_state_of_an_order_has_its_answer.pytestmark  # type: ignore[attr-defined]  # pytest's own

    assert {state for state, _ in mark.args[1]} == set(OrderState)


def test_a_copy_says_how_much_was_filled_at_what_price() -> None:
    slices = [
        a_copy(order_id="a", state="FILLED", filled_quantity=10, average_price=Decimal("812.50")),
        a_copy(order_id="b", state="FILLED", filled_quantity=10, average_price=Decimal("812.75")),
    ]

    assert explain(slices).sentence == "All 20 filled at ₹812.62."


def test_what_is_cut_short_is_partly_copied() -> None:
    answer = explain(
        [a_copy(state="CANCELLED", filled_quantity=4, average_price=Decimal("812.50"))]
    )

    assert answer.outcome is Outcome.PARTLY_COPIED
    assert answer.sentence == "4 of 10 filled at ₹812.50, the rest is over."


def test_an_order_that_never_reached_the_broker_is_made_good_by_the_next() -> None:
    answer = explain(
        [
            a_copy(order_id="a", state="NOT_PLACED"),
            a_copy(order_id="b", state="FILLED", filled_quantity=10, average_price=Decimal(812)),
        ]
    )

    assert answer.outcome is Outcome.COPIED


@pytest.mark.parametrize("action", [SignalAction.MODIFY, SignalAction.CANCEL])
def test_a_change_is_told_by_the_order_it_is_about(action: SignalAction) -> None:
    change: dict[str, Any] = {"action": action, "parent_signal_id": "parent"}

    of_none = explain(**change)
    of_skipped = explain([a_copy(state="SKIPPED", reason="PAUSED")], **change)
    of_order = explain([a_copy(state="CANCELLED")], **change)

    assert of_none.outcome is of_skipped.outcome is Outcome.NOTHING_TO_CHANGE
    assert of_order.outcome is Outcome.EARLIER_ORDER
    assert of_order.sentence.endswith("The order was cancelled.")
