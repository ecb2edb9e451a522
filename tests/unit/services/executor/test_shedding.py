import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.executor.shedding import Surplus, Waiting, surplus

COUNTS = st.integers(0, 100_000)


@pytest.mark.parametrize(
    ("entries", "modifications", "ways_out", "left_out"),
    [
        (60, 20, 20, (0, 0)),
        (80, 20, 20, (20, 0)),
        (10, 80, 50, (10, 30)),
        (10, 10, 500, (10, 10)),
        (0, 0, 500, (0, 0)),
    ],
)
def test_entries_go_first_then_modifications_and_never_a_way_out(
    entries: int, modifications: int, ways_out: int, left_out: tuple[int, int]
) -> None:
    waiting = Waiting(entries=entries, modifications=modifications, ways_out=ways_out)

    assert surplus(waiting, 100) == Surplus(entries=left_out[0], modifications=left_out[1])


@given(COUNTS, COUNTS, COUNTS, COUNTS)
def test_no_more_wait_than_allowed_and_no_more_is_left_out_than_needed(
    entries: int, modifications: int, ways_out: int, waiting_max: int
) -> None:
    waiting = Waiting(entries=entries, modifications=modifications, ways_out=ways_out)
    out = surplus(waiting, waiting_max)

    left = waiting.total - out.entries - out.modifications
    assert left == max(ways_out, min(waiting.total, waiting_max))
    assert out.modifications == 0 or out.entries == entries
