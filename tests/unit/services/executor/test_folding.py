from datetime import datetime, timedelta
from decimal import Decimal

import pytest

from libs.trading.events import UpdateSource
from libs.trading.orders import OrderReport, OrderStatus
from libs.trading.states import OrderState
from services.executor.folding import NOT_SENT, RATE, SESSION, UNKNOWN, filled_at, folded
from services.executor.recording import after
from services.executor.rows import Change, OrderRow, Word
from tests.factories import NOON, a_report

S = OrderState


def a_row(state: OrderState, **changes: object) -> OrderRow:
    values: dict[str, object] = {
        "order_id": "o1",
        "version": 3,
        "state": state,
        "account_id": "a1",
        "user_id": "u1",
        "client_order_id": "k3v9q0m2x7b1a4z",
        "instrument": "NSE:SBIN",
        "quantity": 10,
        "filled_quantity": 0,
        "average_price": None,
        "broker_order_id": None,
        "attempts": 1,
        "expires_at": NOON + timedelta(seconds=30),
    }
    return OrderRow(**(values | changes))  # type: ignore[arg-type]  # spelled by name


def fold(row: OrderRow, **words: object) -> Change | None:
    values: dict[str, object] = {
        "account_id": "a1",
        "source": UpdateSource.REPLY,
        "received_at": NOON,
    }
    word = Word(**(values | words))  # type: ignore[arg-type]  # spelled by name
    return folded(row, word, now=NOON, attempts_max=3)


def state_of(change: Change | None) -> str | None:
    return f"{change.state}/{change.reason or ''}" if change else None


@pytest.mark.parametrize(
    ("problem", "expected"),
    [
        (NOT_SENT, "HELD/BREAKER"),
        (SESSION, "HELD/SESSION"),
        (RATE, "HELD/RATE"),
        (UNKNOWN, "UNKNOWN/"),
        ("anything nobody classified", "UNKNOWN/"),
    ],
)
def test_only_proof_that_nothing_happened_lets_an_order_wait(problem: str, expected: str) -> None:
    assert state_of(fold(a_row(S.SENDING), problem=problem)) == expected


@pytest.mark.parametrize("problem", [NOT_SENT, RATE])
def test_an_order_that_waited_too_long_is_skipped(problem: str) -> None:
    late = a_row(S.SENDING, expires_at=NOON)

    assert state_of(fold(late, problem=problem)) == "SKIPPED/EXPIRED"


def test_a_broker_refuses_an_order_three_times_but_what_never_left_is_no_try() -> None:
    worn = a_row(S.SENDING, attempts=3)

    assert state_of(fold(worn, problem=RATE)) == "SKIPPED/EXPIRED"
    assert state_of(fold(worn, problem=NOT_SENT)) == "HELD/BREAKER"


@pytest.mark.parametrize("state", sorted(set(S) - {S.SENDING}))
@pytest.mark.parametrize("problem", [NOT_SENT, SESSION, RATE, UNKNOWN])
def test_a_verdict_about_our_request_counts_only_while_it_is_in_flight(
    state: OrderState, problem: str
) -> None:
    assert fold(a_row(state), problem=problem) is None


@pytest.mark.parametrize("state", [S.SENDING, S.UNKNOWN, S.NOT_PLACED])
@pytest.mark.parametrize("status", sorted(OrderStatus))
def test_the_brokers_word_is_believed_wherever_an_order_may_be(
    state: OrderState, status: OrderStatus
) -> None:
    change = fold(a_row(state), report=a_report(status=status))

    assert change is not None
    assert change.state == S(status.value)
    assert change.broker_order_id == "26112300000001"


@pytest.mark.parametrize("state", [S.PLANNED, S.HELD, S.SKIPPED, S.NEEDS_ATTENTION])
def test_no_report_moves_what_was_never_sent_or_what_a_person_decides(state: OrderState) -> None:
    assert fold(a_row(state), report=a_report(status=OrderStatus.FILLED)) is None


def test_fills_never_decrease_and_late_steps_change_nothing() -> None:
    partial = a_row(S.PARTIAL, filled_quantity=6, broker_order_id="26112300000001")

    assert fold(partial, report=a_report(status=OrderStatus.OPEN)) is None
    assert fold(partial, report=a_report(status=OrderStatus.PARTIAL, filled_quantity=4)) is None
    change = fold(
        partial,
        report=a_report(
            status=OrderStatus.PARTIAL, filled_quantity=8, average_price=Decimal("812.5")
        ),
    )
    assert change is not None
    assert (change.state, change.filled_quantity) == (S.PARTIAL, 8)


@pytest.mark.parametrize(
    ("state", "report"),
    [
        (S.FILLED, a_report(status=OrderStatus.CANCELLED)),
        (S.REJECTED, a_report(status=OrderStatus.FILLED, filled_quantity=10)),
        (S.CANCELLED, a_report(status=OrderStatus.PARTIAL, filled_quantity=3)),
    ],
)
def test_a_contradiction_goes_to_a_person(state: OrderState, report: OrderReport) -> None:
    row = a_row(state, broker_order_id="26112300000001")

    assert state_of(fold(row, report=report)) == "NEEDS_ATTENTION/CONTRADICTION"


def test_a_working_report_about_a_finished_order_is_merely_late() -> None:
    filled = a_row(S.FILLED, filled_quantity=10, broker_order_id="26112300000001")

    assert fold(filled, report=a_report(status=OrderStatus.OPEN)) is None


def test_a_rejection_keeps_the_brokers_code_and_words() -> None:
    report = a_report(status=OrderStatus.REJECTED, code="-99", message="margin shortfall")

    change = fold(a_row(S.SENDING), report=report)

    assert change is not None
    assert (change.reason, change.message) == ("-99", "margin shortfall")


def test_a_move_that_does_not_exist_is_never_written() -> None:
    with pytest.raises(ValueError, match="UNKNOWN never becomes HELD"):
        after(a_row(S.UNKNOWN), Change(state=S.HELD))


def test_an_order_that_a_person_gave_up_comes_back_only_with_a_new_fill() -> None:
    given_up = a_row(S.LAPSED, reason="ABANDONED", filled_quantity=2)

    assert fold(given_up, report=a_report(status=OrderStatus.CANCELLED, filled_quantity=2)) is None
    assert state_of(
        fold(given_up, report=a_report(status=OrderStatus.FILLED, filled_quantity=10))
    ) == ("NEEDS_ATTENTION/CONTRADICTION")


def test_an_order_is_acknowledged_when_the_first_word_that_the_broker_has_it_arrived() -> None:
    row, later = a_row(S.SENDING), NOON + timedelta(seconds=2)
    first = fold(row, report=a_report(status=OrderStatus.ACKED))
    assert first is not None
    second = fold(
        after(row, first), received_at=later, report=a_report(status=OrderStatus.OPEN, at=later)
    )

    assert second is not None
    assert after(after(row, first), second).acknowledged_at == NOON


def test_a_refusal_is_no_acknowledgement() -> None:
    change = fold(a_row(S.SENDING), report=a_report(status=OrderStatus.REJECTED))

    assert change is not None
    assert change.acknowledged_at is None


def test_an_order_found_filled_was_acknowledged_then_and_filled_when_its_broker_says() -> None:
    dated = NOON - timedelta(minutes=3)
    report = a_report(status=OrderStatus.FILLED, filled_quantity=10, at=dated)

    change = fold(a_row(S.UNKNOWN), source=UpdateSource.BOOK, report=report)

    assert change is not None
    assert (change.acknowledged_at, change.filled_at) == (NOON, dated)


def test_a_part_is_not_the_whole() -> None:
    report = a_report(status=OrderStatus.PARTIAL, filled_quantity=4, at=NOON)

    change = fold(a_row(S.OPEN), report=report)

    assert change is not None
    assert change.filled_at is None


@pytest.mark.parametrize(
    ("at", "placed_at", "expected"),
    [
        (None, None, NOON),
        (NOON - timedelta(seconds=9), None, NOON - timedelta(seconds=9)),
        (NOON - timedelta(milliseconds=300), None, NOON - timedelta(milliseconds=300)),
        # The broker says no more than the time the order began.
        (NOON - timedelta(seconds=9), NOON - timedelta(seconds=9), NOON),
        # From the future, or of another day.
        (NOON + timedelta(minutes=2), None, NOON),
        (NOON - timedelta(days=3), None, NOON),
    ],
)
def test_a_fill_has_its_brokers_time_where_that_can_be(
    at: datetime | None, placed_at: datetime | None, expected: datetime
) -> None:
    report = a_report(status=OrderStatus.FILLED, at=at, placed_at=placed_at)

    assert filled_at(report, NOON) == expected


def test_of_a_fill_dated_to_the_second_in_which_we_heard_our_moment_is_the_better_one() -> None:
    heard_at = NOON + timedelta(milliseconds=400)

    assert filled_at(a_report(status=OrderStatus.FILLED, at=NOON), heard_at) == heard_at
