"""Secrets are found in every spelling a log or an address may give them."""

import base64
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.faults.evidence import Ledger
from tests.faults.secrecy import Secrets, long_enough

WORD = "a secret/with+signs=="


@pytest.fixture
def searched(tmp_path: Path) -> Secrets:
    (tmp_path / "auth.log").write_text("before\n")
    found = Secrets(
        log=tmp_path,
        ledger=Ledger(pool=None),  # type: ignore[arg-type]  # No database is searched here.
        words={"the word": WORD},
        pins=["7391"],
    )
    found.begin()
    return found


@pytest.mark.parametrize(
    "spelling",
    [
        WORD,
        quote(WORD, safe=""),
        base64.b64encode(WORD.encode()).decode(),
        base64.b64encode(f"x{WORD}yz".encode()).decode(),
        base64.b64encode(f"xy{WORD}z".encode()).decode(),
    ],
)
async def test_a_secret_is_found_however_it_is_spelled(searched: Secrets, spelling: str) -> None:
    with (searched.log / "auth.log").open("a") as log:
        log.write(f'{{"event": "oops", "said": "{spelling}"}}\n')

    assert await searched.leaks() == ["the word in auth.log"]


@pytest.mark.parametrize(
    ("line", "leaks"),
    [
        ('{"pin": "7391"}', ["a PIN in auth.log"]),
        ("pin=7391", ["a PIN in auth.log"]),
        ("order 7391 was placed", []),
    ],
)
async def test_four_digits_are_a_pin_only_beside_the_word(
    searched: Secrets, line: str, leaks: list[str]
) -> None:
    (searched.log / "auth.log").write_text(f"before\n{line}\n")

    assert await searched.leaks() == leaks


async def test_what_was_logged_before_is_not_this_rows(searched: Secrets) -> None:
    (searched.log / "auth.log").write_text(WORD)
    searched.begin()

    assert await searched.leaks() == []


async def test_an_alarm_that_was_only_logged_is_named(searched: Secrets) -> None:
    with (searched.log / "auth.log").open("a") as log:
        log.write('{"event": "alarm_not_written", "alarm": "LEDGER_AWAY"}\n')

    assert await searched.unwritten_alarms() == {"LEDGER_AWAY"}


def test_short_words_are_not_searched_for_by_themselves() -> None:
    assert long_enough({"a pin": "7391", "a key": "x" * 20}) == {"a key": "x" * 20}
