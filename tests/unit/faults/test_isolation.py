"""I9 is told for those whom a fault spared, beside the same people's trade in peace."""

from dataclasses import replace
from datetime import timedelta

from tests.faults.isolation import Isolation, p99, times_of
from tests.unit.faults.test_judge import ACCOUNT, AGAIN, ARRIVAL, ORDER


def test_an_order_counts_from_acceptance_to_its_first_arrival() -> None:
    late = ORDER.accepted_at + timedelta(milliseconds=40)
    arrivals = [AGAIN, replace(ARRIVAL, at=late)]

    assert times_of([ORDER], arrivals, {ACCOUNT}) == ([40.0], 1)


def test_who_was_struck_is_not_among_the_others() -> None:
    assert times_of([ORDER], [ARRIVAL], {"somebody-else"}) == ([], 0)


def test_an_order_that_never_arrived_is_told_and_is_in_no_timing() -> None:
    found, planned = times_of([ORDER], [], {ACCOUNT})

    told = Isolation(calm_ms=[10.0], others_ms=[*found, 11.0], planned=planned + 1)

    assert told.words() == "10 → 11, 1 never"
    assert told.as_json()["others_arrived"] == 1


def test_a_fault_that_spared_nobody_says_so() -> None:
    told = Isolation(calm_ms=[10.0, 12.0])

    assert told.words() == "12 → nobody spared"
    assert told.change_percent is None


def test_runs_of_a_row_are_told_together() -> None:
    told = Isolation()
    for calm_ms, others_ms in ((10.0, 11.0), (20.0, 15.0)):
        told.add(Isolation(calm_ms=[calm_ms], others_ms=[others_ms], planned=1))

    assert told.as_json()["calm_orders"] == 2
    assert told.change_percent == -25.0


def test_the_p99_of_few_is_the_slowest() -> None:
    assert p99([3.0, 1.0, 2.0]) == 3.0
    assert p99([float(n) for n in range(1, 201)]) == 198.0
