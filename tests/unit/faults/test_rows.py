"""The table of rows is whole, and a choice of rows is read as it is written."""

import re

import pytest

from tests.faults.__main__ import THEMES
from tests.faults.rows import ROWS, chosen

# Those that come with later work: 32, 33, 37, 39, 44 and 49 to 52.
PROMISED = {*range(1, 32), 34, 35, 36, 38, 40, 41, 42, 43, 45, 46, 47, 48}


def test_every_promised_row_is_there() -> None:
    assert THEMES
    assert set(ROWS) == PROMISED


def test_a_choice_is_read_as_it_is_written() -> None:
    assert [row.number for row in chosen("7,1,26-28,7")] == [7, 1, 26, 27, 28]
    assert [row.number for row in chosen("")] == sorted(PROMISED)


def test_a_row_that_does_not_exist_is_named() -> None:
    with pytest.raises(ValueError, match=re.escape("[99]")):
        chosen("1,99")


def test_by_flag_a_row_has_the_size_that_the_table_names() -> None:
    whole = {row.number: row.at_full() for row in chosen("")}

    assert {n for n, row in whole.items() if row != ROWS[n]} == {10, 28, 34, 38, 43, 47}
    assert whole[38].followers == 500
    assert whole[38].size == "500 accounts"
    assert ROWS[38].size == "60 accounts"
