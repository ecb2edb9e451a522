import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.executor.breaker import Breaker


def an_open_breaker(at: float = 100.0) -> Breaker:
    breaker = Breaker()
    for _ in range(breaker.failures_max):
        breaker.unreachable(at)
    return breaker


def test_it_opens_after_so_many_unreachable_requests_in_a_row() -> None:
    breaker = Breaker(failures_max=3)
    breaker.unreachable(100)
    breaker.unreachable(100)
    breaker.answered(100)
    breaker.unreachable(100)
    breaker.unreachable(100)

    assert breaker.allows_entry(100)
    breaker.unreachable(100)
    assert breaker.is_open
    assert not breaker.allows_entry(100)


def test_it_opens_when_half_of_many_are_unreachable() -> None:
    breaker = Breaker()
    for _ in range(15):
        breaker.answered(100)
        breaker.unreachable(100)

    assert breaker.is_open


def test_old_troubles_do_not_count() -> None:
    breaker = Breaker()
    for at in range(100, 400, 8):
        breaker.answered(at)
        breaker.unreachable(at)

    assert not breaker.is_open


def test_while_open_one_entry_at_a_time_goes_to_see() -> None:
    breaker = an_open_breaker()

    assert breaker.wait_s(100.4) == pytest.approx(0.6)
    assert not breaker.allows_entry(100.9)
    assert breaker.allows_entry(101)
    assert not breaker.allows_entry(101)
    assert breaker.is_open


def test_an_answer_closes_it_for_everybody() -> None:
    breaker = an_open_breaker()
    breaker.allows_entry(101)

    breaker.answered(101.2)

    assert not breaker.is_open
    assert all(breaker.allows_entry(101.2) for _ in range(100))
    breaker.unreachable(101.3)
    assert not breaker.is_open


def test_an_answered_exit_closes_it_too() -> None:
    breaker = an_open_breaker()

    breaker.answered(100.9)  # Sent before it opened.
    assert breaker.is_open

    breaker.answered(101)
    assert breaker.allows_entry(101)


def test_each_probe_in_vain_makes_the_next_wait_longer_up_to_a_bound() -> None:
    breaker, now, waits = an_open_breaker(), 100.0, []
    for _ in range(7):
        waits.append(breaker.wait_s(now))
        now += waits[-1]
        assert breaker.allows_entry(now)
        breaker.unreachable(now)

    assert waits == pytest.approx([1, 2, 4, 8, 15, 15, 15])


def test_failures_that_were_on_their_way_do_not_put_the_probe_off() -> None:
    breaker = an_open_breaker()
    for _ in range(50):
        breaker.unreachable(100.9)

    assert breaker.allows_entry(101)


def test_a_probe_that_nobody_heard_of_again_is_replaced() -> None:
    breaker = an_open_breaker()
    breaker.allows_entry(101)

    assert not breaker.allows_entry(112.9)
    assert breaker.allows_entry(113.1)


def test_a_probe_that_was_not_sent_leaves_its_place() -> None:
    breaker = an_open_breaker()
    breaker.allows_entry(101)

    breaker.probe_dropped(101)

    assert breaker.allows_entry(101)


def test_ways_out_keep_knocking_in_turn() -> None:
    breaker = an_open_breaker()

    assert breaker.knock_wait_s(100) == 0
    assert breaker.knock_wait_s(100.05) == pytest.approx(0.15)
    assert breaker.knock_wait_s(100.2) == 0
    breaker.answered(101.3)
    assert [breaker.knock_wait_s(101.3) for _ in range(50)] == [0] * 50


@given(st.lists(st.tuples(st.floats(0, 5), st.sampled_from(["entry", "answer", "fail"]))))
def test_whoever_waits_as_told_may_go(steps: list[tuple[float, str]]) -> None:
    breaker, now = Breaker(), 100.0
    for pause, step in steps:
        now += pause
        match step:
            case "answer":
                breaker.answered(now)
            case "fail":
                breaker.unreachable(now)
            case _:
                wait_s = breaker.wait_s(now)
                assert breaker.allows_entry(now) == (wait_s == 0)
                assert wait_s <= 15
