from datetime import timedelta

from libs.trading.reasons import AttentionReason
from libs.trading.states import OrderState
from services.executor.evidence import Doubt, Verdict, after_look, after_unreadable
from tests.factories import NOON, a_report

WINDOW_S = 120.0


def a_doubt(looks: int = 0) -> Doubt:
    return Doubt(
        order_id="o1",
        version=3,
        account_id="a1",
        client_order_id="k3v9q0m2x7b1a4z",
        deadline=NOON,
        looks=looks,
        changed_at=NOON,
    )


def look(after_s: float, looks: int = 0, *tags: str) -> Verdict:
    book = [a_report(broker_order_id=f"B{n}", client_order_id=tag) for n, tag in enumerate(tags)]
    now = NOON + timedelta(seconds=after_s)
    return after_look(a_doubt(looks), book, now=now, window_s=WINDOW_S)


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


def test_absence_is_proved_only_by_three_looks_and_the_whole_window() -> None:
    assert look(119.9, 9).change is None
    assert look(120, 1).change is None
    proved = look(120, 2)

    assert proved.change is not None
    assert proved.change.state is OrderState.NOT_PLACED


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
    def unreadable(after_s: float) -> Verdict:
        now = NOON + timedelta(seconds=after_s)
        return after_unreadable(a_doubt(), now=now, window_s=WINDOW_S, message="no session")

    assert unreadable(299).change is None
    change = unreadable(301).change
    assert change is not None
    assert (change.reason, change.message) == (AttentionReason.BOOK_UNREADABLE, "no session")
