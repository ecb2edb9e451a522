"""What looks at the book prove, and what they do not."""

from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from libs.trading.orders import OrderReport, OrderStatus, Product, Side, Trade
from libs.trading.reasons import AttentionReason
from libs.trading.states import OrderState
from services.executor.evidence import (
    BY_ATTRIBUTES,
    Book,
    Doubt,
    Executions,
    Verdict,
    after_look,
    after_proof,
    after_unreadable,
)
from tests.factories import NOON, a_report, some_terms

WINDOW_S = 120.0
TAG = "k3v9q0m2x7b1a4z"
SENT_AT = NOON - timedelta(seconds=10)


def a_doubt(looks: int = 0, **changes: Any) -> Doubt:
    doubt = Doubt(
        order_id="o1",
        version=3,
        account_id="a1",
        client_order_id=TAG,
        instrument="NSE:SBIN",
        side=Side.BUY,
        product=Product.INTRADAY,
        terms=some_terms(),
        sent_at=SENT_AT,
        deadline=NOON,
        looks=looks,
        changed_at=NOON,
    )
    return replace(doubt, **changes)


def at(after_s: float) -> datetime:
    return NOON + timedelta(seconds=after_s)


def look(after_s: float, looks: int = 0, *tags: str) -> Verdict:
    rows = [a_report(broker_order_id=f"B{n}", client_order_id=tag) for n, tag in enumerate(tags)]
    return after_look(a_doubt(looks), Book(rows=rows), now=at(after_s), window_s=WINDOW_S)


def untagged(broker_order_id: str = "B7", **changes: Any) -> OrderReport:
    """Make an order equal to the one in doubt, as a book without our tags shows it."""
    report = a_report(
        broker_order_id=broker_order_id,
        client_order_id=None,
        instrument="NSE:SBIN",
        side=Side.BUY,
        product=Product.INTRADAY,
        terms=some_terms(),
        at=SENT_AT + timedelta(seconds=1),
    )
    return replace(report, **changes)


def among(*rows: OrderReport, after_s: float = 2, others: int = 0, **book: Any) -> Verdict:
    book = {"tags_echoed": False, **book}
    return after_look(
        a_doubt(looks=9),
        Book(rows=rows, **book),
        now=at(after_s),
        window_s=WINDOW_S,
        others=[a_doubt(order_id=f"other{n}") for n in range(others)],
    )


def reason_of(verdict: Verdict) -> str | None:
    assert verdict.change is not None
    assert verdict.change.state is OrderState.NEEDS_ATTENTION
    return verdict.change.reason


def test_an_order_found_by_its_tag_is_taken_as_the_book_has_it() -> None:
    verdict = look(2, 0, "foreign00000000", "k3v9q0m2x7b1a4z")

    assert verdict.change is None
    assert verdict.word is not None
    assert verdict.word.report is not None
    assert verdict.word.report.broker_order_id == "B1"


def test_two_orders_with_one_tag_go_to_a_person() -> None:
    verdict = look(2, 0, "k3v9q0m2x7b1a4z", "k3v9q0m2x7b1a4z")

    assert verdict.change is not None
    assert verdict.change.reason == AttentionReason.AMBIGUOUS_MATCH
    assert "B0, B1" in verdict.change.message


def test_absence_is_to_be_proved_only_after_three_looks_and_the_whole_window() -> None:
    assert look(119.9, 9).prove is False
    assert look(120, 1).prove is False
    assert look(120, 2).prove is True


def test_looks_before_the_deadline_do_not_count() -> None:
    assert look(-1).looked is False
    assert look(0).looked is True


def test_looks_come_at_the_written_times() -> None:
    at_s, times = 0.0, []
    while at_s < WINDOW_S:
        at_s += look(at_s).due_in_s
        times.append(round(at_s))

    assert times == [2, 5, 10, 20, 40, 80, 120]


def test_a_book_that_stays_unreadable_for_five_minutes_goes_to_a_person() -> None:
    def unreadable(after_s: float, *, session_lost: bool = False) -> Verdict:
        return after_unreadable(
            a_doubt(),
            now=at(after_s),
            window_s=WINDOW_S,
            message="no session",
            session_lost=session_lost,
        )

    assert unreadable(299).change is None
    assert reason_of(unreadable(301)) == AttentionReason.BOOK_UNREADABLE
    assert reason_of(unreadable(301, session_lost=True)) == AttentionReason.SESSION_DEAD
    # What was seen before the session ended proves nothing about the time after it.
    assert (unreadable(60).reset, unreadable(60, session_lost=True).reset) == (False, True)


def test_where_tags_are_not_echoed_one_equal_order_is_taken_and_marked() -> None:
    word = among(untagged()).word

    assert word is not None
    assert word.report is not None
    assert word.report.broker_order_id == "B7"
    assert BY_ATTRIBUTES in word.report.message


@pytest.mark.parametrize(
    "different",
    [
        {"instrument": "NSE:INFY"},
        {"side": Side.SELL},
        {"product": Product.DELIVERY},
        {"terms": some_terms(quantity=11)},
        {"terms": some_terms(limit_price=Decimal("812.55"))},
        {"terms": None},
        {"at": SENT_AT - timedelta(seconds=2.1)},
        {"at": NOON + timedelta(seconds=120.1)},
        {"client_order_id": "of-somebody-else"},
    ],
)
def test_an_order_that_differs_in_anything_is_not_ours(different: dict[str, Any]) -> None:
    assert among(untagged(**different)).word is None


def test_an_order_of_the_baseline_or_of_another_follower_order_is_not_ours() -> None:
    assert among(untagged(), first_seen={"B7": SENT_AT - timedelta(seconds=1)}).word is None
    assert among(untagged(), linked=frozenset({"B7"})).word is None
    assert among(untagged(), first_seen={"B7": SENT_AT + timedelta(seconds=1)}).word is not None


def test_two_equal_orders_or_two_equal_doubts_go_to_a_person() -> None:
    assert reason_of(among(untagged("B7"), untagged("B8"))) == AttentionReason.AMBIGUOUS_MATCH
    assert reason_of(among(untagged(), others=1)) == AttentionReason.AMBIGUOUS_MATCH


def test_where_tags_are_echoed_an_equal_order_without_one_is_neither_link_nor_absence() -> None:
    assert among(untagged(), tags_echoed=True).word is None
    assert among(untagged(), tags_echoed=True).change is None
    in_the_end = among(untagged(), tags_echoed=True, after_s=120)
    assert reason_of(in_the_end) == AttentionReason.AMBIGUOUS_MATCH


def a_trade(quantity: int = 10, **changes: Any) -> Trade:
    trade = Trade(
        trade_id="T1",
        broker_order_id="B9",
        client_order_id=None,
        instrument="NSE:SBIN",
        side=Side.BUY,
        quantity=quantity,
        price=Decimal(812),
    )
    return replace(trade, **changes)


def proof(*trades: Trade, after_s: float = 200, moved: Any = None, **book: Any) -> Verdict:
    return after_proof(
        a_doubt(looks=2),
        Book(rows=(), **book),
        Executions(trades=trades, moved=moved),
        now=at(after_s),
        window_s=WINDOW_S,
    )


def test_absent_from_books_trades_and_positions_is_not_placed() -> None:
    for verdict in (proof(), proof(moved={}), proof(moved={"NSE:INFY": 10})):
        assert verdict.change is not None
        assert verdict.change.state is OrderState.NOT_PLACED


@pytest.mark.parametrize(
    ("quantity", "status"), [(10, OrderStatus.FILLED), (4, OrderStatus.PARTIAL)]
)
def test_a_trade_with_our_tag_shows_the_order(quantity: int, status: OrderStatus) -> None:
    word = proof(a_trade(quantity, client_order_id=TAG)).word

    assert word is not None
    assert word.report is not None
    assert (word.report.status, word.report.filled_quantity) == (status, quantity)
    assert word.report.broker_order_id == "B9"


def test_a_fill_that_no_order_explains_is_no_absence() -> None:
    assert reason_of(proof(a_trade())) == AttentionReason.UNEXPLAINED_FILL
    assert reason_of(proof(moved={"NSE:SBIN": 10})) == AttentionReason.UNEXPLAINED_FILL
    # It may have come between the reads: look once more before asking a person.
    assert proof(a_trade(), after_s=150).change is None


@pytest.mark.parametrize(
    ("explained", "book"),
    [
        ({"side": Side.SELL}, {}),
        ({"instrument": "NSE:INFY"}, {}),
        ({}, {"linked": frozenset({"B9"})}),
    ],
)
def test_a_fill_of_something_else_does_not_matter(
    explained: dict[str, Any], book: dict[str, Any]
) -> None:
    change = proof(a_trade(**explained), **book).change

    assert change is not None
    assert change.state is OrderState.NOT_PLACED
