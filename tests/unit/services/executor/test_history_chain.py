"""The hash of a link covers every value, its order, its place and the link before it."""

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

from services.executor.history_chain import first_hash, hash_of

AT = datetime(2026, 11, 20, 6, 30, tzinfo=UTC)
ROWS: list[tuple[object, ...]] = [
    ("o1", 1, "OPEN", None, Decimal("812.50"), AT),
    ("o1", 2, "FILLED", None, None, AT),
]
HASH = hash_of(b"before", 2, "5", "9", ROWS)


def test_the_same_rows_have_the_same_hash_wherever_they_are_read() -> None:
    india = timezone(timedelta(hours=5, minutes=30))
    elsewhere = [(*row[:5], AT.astimezone(india)) for row in ROWS]

    assert hash_of(b"before", 2, "5", "9", elsewhere) == HASH


def test_anything_else_has_another_hash() -> None:
    changed = [(*ROWS[0][:4], Decimal("812.55"), AT), ROWS[1]]
    others = [
        hash_of(b"other", 2, "5", "9", ROWS),
        hash_of(b"before", 3, "5", "9", ROWS),
        hash_of(b"before", 2, "4", "9", ROWS),
        hash_of(b"before", 2, "5", "8", ROWS),
        hash_of(b"before", 2, "5", "9", ROWS[:1]),
        hash_of(b"before", 2, "5", "9", ROWS[::-1]),
        hash_of(b"before", 2, "5", "9", changed),
    ]

    assert HASH not in others
    assert len(set(others)) == len(others)


def test_each_shard_begins_elsewhere() -> None:
    assert len({first_hash("a", 1), first_hash("a", 2), first_hash("b", 1)}) == 3
