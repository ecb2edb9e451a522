"""What an operator may decide about an order, and what the evidence forbids."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from libs.trading.states import OrderState
from services.executor.attention import (
    Candidate,
    Case,
    Decision,
    Wish,
    change_of,
    needs_second_person,
    refusal,
)
from tests.factories import NOON

CASE = Case(
    order_id="o1",
    version=4,
    state=OrderState.NEEDS_ATTENTION,
    account_id="a1",
    client_order_id="k3v9q0m2x7b1a4z",
    broker_order_id=None,
    quantity=10,
    price=Decimal(800),
)
CANDIDATE = Candidate(
    broker_order_id="B7",
    order_id=None,
    client_order_id=None,
    status="PARTIAL",
    side="BUY",
    quantity=10,
    limit_price=Decimal(800),
    filled_quantity=4,
    average_price=Decimal(799),
    placed_at=NOON,
    first_seen_at=NOON,
)


def a_wish(decision: Decision, broker_order_id: str | None = None, version: int = 4) -> Wish:
    return Wish(
        decision=decision,
        reason="asked the broker by telephone",
        version=version,
        broker_order_id=broker_order_id,
    )


def code_of(wish: Wish, *candidates: Candidate, **case: Any) -> str | None:
    refused = refusal(replace(CASE, **case), wish, candidates)
    return refused.code if refused else None


@pytest.mark.parametrize("decision", Decision)
def test_an_order_that_moved_on_is_not_decided(decision: Decision) -> None:
    assert code_of(a_wish(decision, version=3)) == "ORDER_CHANGED"
    assert code_of(a_wish(decision), state=OrderState.OPEN) == "ORDER_CHANGED"


def test_a_link_names_a_candidate_that_is_nobody_elses() -> None:
    mine = replace(CANDIDATE, order_id="o1")
    other = replace(CANDIDATE, order_id="o2")

    assert code_of(a_wish(Decision.LINK), CANDIDATE) == "INVALID"
    assert code_of(a_wish(Decision.LINK, "B8"), CANDIDATE) == "NO_SUCH_CANDIDATE"
    assert code_of(a_wish(Decision.LINK, "B7"), other) == "ALREADY_LINKED"
    assert code_of(a_wish(Decision.LINK, "B7"), CANDIDATE) is None
    assert code_of(a_wish(Decision.LINK, "B7"), mine) is None


@pytest.mark.parametrize("decision", [Decision.MARK_NOT_PLACED, Decision.REISSUE])
def test_what_the_broker_shows_is_neither_absent_nor_sent_anew(decision: Decision) -> None:
    tagged = replace(CANDIDATE, client_order_id=CASE.client_order_id)

    assert code_of(a_wish(decision), tagged) == "ORDER_AT_BROKER"
    assert code_of(a_wish(decision), broker_order_id="B1") == "ORDER_AT_BROKER"
    assert code_of(a_wish(decision), CANDIDATE) is None
    assert code_of(a_wish(decision, "B7"), CANDIDATE) == "INVALID"


def test_an_order_can_always_be_abandoned() -> None:
    tagged = replace(CANDIDATE, client_order_id=CASE.client_order_id)

    assert code_of(a_wish(Decision.ABANDON), tagged, broker_order_id="B1") is None


def test_each_decision_has_its_transition() -> None:
    linked = change_of(a_wish(Decision.LINK, "B7"), [CANDIDATE])
    abandoned = change_of(a_wish(Decision.ABANDON), [])

    assert (linked.state, linked.broker_order_id) == (OrderState.PARTIAL, "B7")
    assert (linked.filled_quantity, linked.average_price) == (4, Decimal(799))
    assert (abandoned.state, abandoned.reason) == (OrderState.LAPSED, "ABANDONED")
    for decision in (Decision.MARK_NOT_PLACED, Decision.REISSUE):
        assert change_of(a_wish(decision), []).state is OrderState.NOT_PLACED


@pytest.mark.parametrize(
    ("price", "needed"),
    [(Decimal(20_000), False), (Decimal("20000.05"), True), (None, True)],
)
def test_two_people_decide_above_the_limit_or_without_a_price(
    price: Decimal | None, needed: bool
) -> None:
    assert needs_second_person(replace(CASE, price=price), Decimal(200_000)) is needed
