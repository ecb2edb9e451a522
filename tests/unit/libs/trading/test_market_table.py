from datetime import date
from pathlib import Path

import pytest

import libs.trading.market_table as market_table
from libs.trading.market_table import packaged_table, read_table

TEXT = Path(market_table.__file__).with_name("market_hours.toml").read_text(encoding="utf-8")


def test_the_packaged_table_holds_the_days_that_other_collections_hold() -> None:
    # exchange_calendars 4.13.2 (XBOM) and pandas_market_calendars 5.5.0 (NSE, BSE), compared by
    # hand on 2026-11-21: both closed on these weekdays of 2026.
    theirs = {
        "01-15", "01-26", "03-03", "03-26", "03-31", "04-03", "04-14", "05-01", "05-28", "06-26",
        "09-14", "10-02", "10-20", "11-10", "11-24", "12-25",
    }  # fmt: skip

    for exchange in ("NSE", "BSE", "NFO", "BFO"):
        ours = {f"{day:%m-%d}" for where, day in packaged_table().holidays if where == exchange}
        assert ours == theirs


def test_every_exchange_has_holidays() -> None:
    exchanges = {exchange for exchange, _ in packaged_table().holidays}

    assert exchanges == {"NSE", "BSE", "NFO", "BFO", "CDS", "BCD", "MCX"}


def test_the_table_is_known_for_today_and_not_for_ever() -> None:
    table = packaged_table()

    assert table.known_from <= date(2026, 11, 21) <= table.known_until < date(2028, 1, 1)


@pytest.mark.parametrize(
    ("right", "wrong", "says"),
    [
        ("known_until = 2026-12-31", "known_until = 2026-11-30", "outside the known dates"),
        ("known_until = 2026-12-31", "known_until = 2025-01-01", "known_from is after"),
        ("  2026-11-24, # Guru Nanak", "  2026-11-22, # Guru Nanak", "weekend"),
        ("day = 2026-02-01 # Sunday", "day = 2026-02-02 # Sunday", "ordinary day"),
        ('"15:25" = "CAS_LIMIT_ONLY"', '"15:15" = "CAS_LIMIT_ONLY"', "(?i)line|key"),
        ('"15:40" = "CLOSED"', '"15:40" = "CONTINUOUS"', "end CLOSED"),
        ('"15:40" = "CLOSED"', '"15:40" = "SHUT"', "SHUT"),
        ('"09:15" = "CONTINUOUS", "15:40"', '"08:15" = "CONTINUOUS", "15:40"', "follow each other"),
        ('exchanges = ["CDS", "BCD"]', 'exchanges = ["CDS", "NYSE"]', "NYSE"),
        ('source = "currency"', 'source = "hearsay"', "hearsay"),
        ("from = 2026-08-03", "from = 2025-08-03", "does not follow"),
        ('class = "SHARE"', 'class = "LINKED_COMMODITY"', "does not follow"),
        ("known_from = 2026-01-01", "", "known_from"),
    ],
)
def test_a_table_that_contradicts_itself_is_refused(right: str, wrong: str, says: str) -> None:
    assert right in TEXT

    with pytest.raises(ValueError, match=says):
        read_table(TEXT.replace(right, wrong))


def test_a_class_without_hours_is_refused() -> None:
    lines = TEXT.replace('class = "SHARE" # no derivatives on it\nfrom = 2026-01-01', "@").split(
        "@"
    )
    without = lines[0].rsplit("[[hours]]", 1)[0] + lines[1].split("\n\n", 1)[1]

    with pytest.raises(ValueError, match="SHARE: no hours"):
        read_table(without)
