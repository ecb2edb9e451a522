from hypothesis import given
from hypothesis import strategies as st

from services.executor.pace import Pace


@given(
    st.lists(st.tuples(st.floats(0, 0.5, allow_nan=False), st.booleans()), min_size=1, max_size=200)
)
def test_no_second_ever_holds_more_than_the_exchange_allows(
    steps: list[tuple[float, bool]],
) -> None:
    pace, now, sent = Pace(), 100.0, []
    for pause, urgent in steps:
        now += pause
        if pace.wait_s("a", "NSE", urgent=urgent, now=now) == 0:
            sent.append(now)
        in_this_second = [at for at in sent if at > now - 1.0]
        assert len(in_this_second) <= 10


def test_a_burst_of_entries_leaves_room_for_a_way_out() -> None:
    pace = Pace()

    waits = [pace.wait_s("a", "NSE", urgent=False, now=100.0) for _ in range(12)]

    assert waits.count(0) == 8
    assert pace.wait_s("a", "NSE", urgent=True, now=100.0) == 0


def test_whoever_waits_as_told_is_let_through() -> None:
    pace, now = Pace(), 100.0
    for _ in range(50):
        wait_s = pace.wait_s("a", "NSE", urgent=False, now=now)
        if wait_s:
            now += wait_s + 1e-9
            assert pace.wait_s("a", "NSE", urgent=False, now=now) == 0


def test_accounts_and_segments_do_not_share() -> None:
    pace = Pace()
    for _ in range(8):
        pace.wait_s("a", "NSE", urgent=False, now=100.0)

    assert pace.wait_s("a", "NFO", urgent=False, now=100.0) == 0
    assert pace.wait_s("b", "NSE", urgent=False, now=100.0) == 0


def test_a_newly_owned_account_waits_out_what_its_last_owner_may_have_sent() -> None:
    pace = Pace()
    pace.begin(["a"], now=100.0)

    assert pace.wait_s("a", "NSE", urgent=True, now=100.5) > 0
    assert pace.wait_s("a", "NSE", urgent=True, now=101.2) == 0
